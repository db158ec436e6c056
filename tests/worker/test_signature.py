"""Arguments are checked as they are read, before the handler runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.errors import InvalidArguments
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.values import to_payload
from farhand.worker.app import App
from farhand.worker.context import Context
from farhand.worker.signature import Signature


@dataclass
class Item:
    name: str
    price: float


def order(items: list[Item], ctx: Context, size: Literal["s", "l"] = "s", *, note: str | None = None) -> float:
    return 0.0


def signature() -> Signature:
    return Signature("order", order, Context)


def problems(value: Any, media: int = Media.MSGPACK) -> list[dict[str, str]]:
    with pytest.raises(InvalidArguments) as caught:
        signature().bind(to_payload(value, media), lambda: None)
    found: list[dict[str, str]] = caught.value.details["problems"]
    return found


@given(
    st.lists(st.tuples(st.text(max_size=9), st.floats(allow_nan=False))), st.sampled_from([Media.JSON, Media.MSGPACK])
)
def test_arguments_come_out_as_they_went_in(pairs: list[tuple[str, float]], media: Media) -> None:
    items = [Item(name, price) for name, price in pairs if media is Media.MSGPACK or abs(price) < float("inf")]
    positional, named = signature().bind(to_payload({"items": items, "note": "n"}, media), lambda: "context")
    assert positional == (items, "context", "s")
    assert named == {"note": "n"}


def test_every_wrong_field_is_named_with_its_path() -> None:
    found = problems({"items": [{"name": "a", "price": "dear"}], "size": "m", "nota": "x"})
    assert [one["path"] for one in found] == ["items[0].price", "size", "nota"]
    assert "did you mean note" in found[2]["message"]


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
def test_a_missing_argument_is_named(media: Media) -> None:
    assert problems({}, media) == [{"path": "items", "message": "is missing"}]


def test_no_arguments_at_all_is_an_empty_object() -> None:
    with pytest.raises(InvalidArguments, match="items: is missing"):
        signature().bind(NOTHING, lambda: None)


def test_bytes_that_are_no_json_are_invalid_arguments() -> None:
    with pytest.raises(InvalidArguments):
        signature().bind(Payload(b"{", Media.JSON), lambda: None)


def test_the_schema_names_required_arguments_and_not_the_context() -> None:
    text = signature().parameters_schema()
    assert b'"items"' in text
    assert b'"ctx"' not in text
    assert signature().result_schema() == msgspec.json.encode({"type": "number"})


def test_two_handlers_of_one_name_are_refused() -> None:
    app = App()
    app.handler(name="order")(order)
    with pytest.raises(ValueError, match="'order' is registered already"):
        app.handler(order)


def test_a_type_that_no_wire_carries_is_refused_by_name() -> None:
    def bad(*many: int) -> None: ...

    with pytest.raises(TypeError, match=r"'bad': \*many"):
        App().handler(bad)


def test_the_schema_holds_each_default_that_json_can_hold() -> None:
    def shapes(a: int = 1, b: list[int] = [2], c: bytes = b"hi", d: Any = object(), e: str | None = None) -> None: ...  # noqa: B006, B008

    (schema,) = msgspec.json.decode(Signature("shapes", shapes, Context).parameters_schema())["$defs"].values()
    found = {name: one.get("default", "none") for name, one in schema["properties"].items()}
    assert found == {"a": 1, "b": [2], "c": "aGk=", "d": "none", "e": None}


class Inner(pydantic.BaseModel):
    x: int


class Outer(pydantic.BaseModel):
    inner: Inner
    more: list[Inner] = []


def test_models_within_models_are_found_from_the_schemas_root() -> None:
    def take(outer: Outer) -> list[Outer]:
        return [outer]

    signature = Signature("take", take, Context)
    for text in (signature.parameters_schema(), signature.result_schema()):
        schema = msgspec.json.decode(text)
        assert schema["$defs"]["Inner"]["properties"] == {"x": {"title": "X", "type": "integer"}}
        assert b'"$ref":"#/$defs/Inner"' in text


def test_a_problem_that_only_the_whole_shows_has_its_path_too() -> None:
    def take(raw: bytes) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        Signature("take", take, Context).bind(to_payload({"raw": "aGk="}), lambda: None)
    assert caught.value.details["problems"] == [{"path": "raw", "message": "Expected `bytes`, got `str`"}]
