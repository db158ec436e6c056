"""Schemas in words, and commands that call: what they say is what the handlers take."""

from __future__ import annotations

import shlex

import pytest

from farhand import App, File
from farhand.cli.arguments import given
from farhand.cli.output import Usage
from farhand.cli.schemas import Schema, command
from farhand.wire.values import to_payload
from tests.cli.apps import app

SPECS = {name: handler.spec for name, handler in app.handlers.items()}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "order",
            {
                "items": "list[{name: str, price?: float}]",
                "size": '"l" | "s" = "s"',
                "note": "str | null = null",
                "gift": "bool = false",
            },
        ),
        ("train", {"settings": "{epochs: int, rate?: float}"}),
        ("raw", {"data": "bytes as base64", "level": '"1" | "2" = "1"', "when": "date | null = null"}),
        ("count.up", {"to": "int = 3", "label": 'str = "it\'s"'}),
        ("anything", {"value": "any"}),
        ("nothing", {}),
    ],
)
def test_parameters_in_words(name: str, kinds: dict[str, str]) -> None:
    found = Schema(SPECS[name].parameters).parameters()
    assert {one.name: one.kind + (f" = {one.default}" if one.has_default else "") for one in found} == kinds


def test_results_in_words() -> None:
    found = {name: Schema(spec.result) for name, spec in SPECS.items()}
    assert {name: schema.kind(schema.root) for name, schema in found.items()} == {
        "order": "dict[str, float]",
        "train": "int",
        "raw": "object",
        "count.up": "int",
        "anything": "any",
        "nothing": "null",
    }


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("order", 'farhand run order \'items:=[{"name":"hello"}]\''),
        ("train", "farhand run train 'settings:={\"epochs\":3}'"),
        ("raw", "farhand run raw data=aGVsbG8="),
        ("count.up", "farhand stream count.up to=3 'label=it'\"'\"'s'"),
        ("anything", "farhand run anything value:=1"),
        ("nothing", "farhand run nothing"),
    ],
)
def test_a_command_that_calls(name: str, line: str) -> None:
    assert command(SPECS[name]) == line
    assert command(SPECS[name], group="g", hub="h:1") == f"{line} --group g --hub h:1"


@pytest.mark.parametrize("name", SPECS)
def test_the_arguments_of_that_command_are_what_the_handler_takes(name: str) -> None:
    pairs = shlex.split(command(SPECS[name]))[3:]
    found = given(pairs, None).fit(SPECS[name])
    app.handlers[name].signature.bind(to_payload(found), lambda: None)


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = b'{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}},"required":["next"]}'
    schema = Schema(b'{"$defs":{"N":' + node + b'},"$ref":"#/$defs/N"}')
    assert schema.kind(schema.root) == "{next: {next: object}}"
    assert schema.example(schema.root) == {"next": {"next": {"next": {}}}}
    looped = Schema(b'{"$defs":{"A":{"$ref":"#/$defs/A"}},"$ref":"#/$defs/A"}')
    assert looped.kind(looped.root) == "any"


@pytest.mark.parametrize(
    ("name", "pairs", "found"),
    [
        ("raw", ["data=aGk=", "level=2"], {"data": b"hi", "level": "2"}),
        ("order", ["size=s", "note=3", "gift=true"], {"size": "s", "note": "3", "gift": True}),
        ("order", ["note:=3", "gift=yes"], {"note": 3, "gift": "yes"}),
        ("count.up", ["to=4", "label=4", "other=4"], {"to": 4, "label": "4", "other": "4"}),
        ("train", ['settings={"epochs": 3}'], {"settings": {"epochs": 3}}),
        ("anything", ["value=1=2"], {"value": "1=2"}),
        ("anything", ["value="], {"value": ""}),
    ],
)
def test_plain_values_follow_the_schema(name: str, pairs: list[str], found: dict[str, object]) -> None:
    assert given(pairs, None).fit(SPECS[name]) == found


def test_pairs_win_over_the_object_and_without_a_schema_they_are_text() -> None:
    assert given(["a=1", "c:=3"], '{"a": 0, "b": 2}').fit(None) == {"a": "1", "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("pairs", "json", "said"),
    [
        (["a"], None, r"'a' is neither key=value nor key:=json: write a=… or a:=…"),
        (["=1"], None, "neither key=value nor key:=json"),
        ([":=1"], None, "neither key=value nor key:=json"),
        (["a:={"], None, r"a is not JSON: .*; for plain text write a=\{"),
        (["a=1", "a:=2"], None, "a is given twice"),
        ([], "{bad", "--json is not JSON"),
        ([], "[1]", "--json takes one object, .* not a list"),
        ([], "@/nowhere.json", "/nowhere.json can't be read: No such file"),
    ],
)
def test_what_is_no_argument_is_told(pairs: list[str], json: str | None, said: str) -> None:
    with pytest.raises(Usage, match=said):
        given(pairs, json)


def test_bytes_that_are_no_base64_are_told() -> None:
    with pytest.raises(Usage, match="data takes bytes, written as base64; 'hi!' is none"):
        given(["data=hi!"], None).fit(SPECS["raw"])


def test_a_file_is_asked_for_by_its_name() -> None:
    files = App()

    @files.handler
    def resize(picture: File, mask: File | None = None, pages: list[File] | None = None, width: int = 1) -> File:
        return picture

    spec = files.handlers["resize"].spec
    kinds = [one.kind for one in Schema(spec.parameters).parameters()]
    assert kinds == ["file", "file | null", "list[file] | null", "int"]
    assert command(spec) == "farhand run resize picture=@FILE"
    with pytest.raises(Usage, match=r"picture takes a file: picture=@a\.png sends that of this name"):
        given(["picture=a.png"], None).fit(spec)
    assert given(["mask=null"], None).fit(spec) == {"mask": None}
    assert given(['picture={"name": "a", "data": "YQ=="}'], None).fit(spec)["picture"]["name"] == "a"
