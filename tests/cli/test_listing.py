"""workers and handlers: tables for a person, JSON for a program."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from tests.cli.processes import at_terminal, farhand, served

HANDLERS = ["anything", "count.up", "nothing", "order", "raw", "train"]


@pytest.fixture(scope="module")
def many() -> Iterator[str]:
    """The address of a hub whose worker serves handlers with parameters of many types."""
    with served("tests/cli/apps.py") as address:
        yield address


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_tables_fit_the_terminal(many: str, columns: int) -> None:
    for arguments in (("workers",), ("handlers",), *([("handlers", "order"), ("doctor",)] if columns == 40 else [])):
        status, lines = at_terminal(columns, *arguments, "--hub", many)
        assert status == 0
        wide = [line for line in lines if len(line) > columns and not line.startswith("  farhand ")]
        assert wide == [], arguments
        assert "…" not in "".join(lines)


def test_a_table_has_a_row_each_and_its_heads_where_there_is_room(many: str) -> None:
    _, lines = at_terminal(120, "handlers", "--hub", many)
    assert lines[0].split() == ["handler", "group", "workers", "arguments", "what", "it", "does"]
    assert [line.split()[0] for line in lines[1:-1]] == HANDLERS
    assert "count.up »  default  1        [to], [label]" in lines[2]
    assert lines[-1] == "» streams"
    _, lines = at_terminal(120, "workers", "--hub", many)
    assert lines[1].split()[:5] == ["w1", "default", "ready", "0/32", "0"]
    _, lines = at_terminal(40, "handlers", "--hub", many)
    assert [line for line in lines if not line.startswith(" ")][:-1] == [
        name.replace("count.up", "count.up »") for name in HANDLERS
    ]


def test_one_handler_is_shown_whole(many: str) -> None:
    status, lines = at_terminal(80, "handlers", "order", "--hub", many)
    assert status == 0
    text = "\n".join(lines)
    assert "Add up an order." in text
    assert "has to be broken on a narrow terminal." in text
    assert '  size  "l" | "s", optional: "s"' in lines
    assert "  items  list[{name: str, price?: float}]" in lines
    assert "  dict[str, float]" in lines
    assert lines[-1] == f'  farhand run order \'items:=[{{"name":"hello"}}]\' --hub {many}'


def test_the_command_that_is_shown_works_as_it_is(many: str) -> None:
    for name, answer in {"order": '{"s":1.0}', "train": "3", "raw": '{"size":5,"level":"1","when":null}'}.items():
        line = at_terminal(80, "handlers", name, "--hub", many)[1][-1]
        done = farhand(*shlex.split(line)[1:])
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{answer}\n", "")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_without_a_terminal_or_with_json_it_is_json(many: str, flags: tuple[str, ...]) -> None:
    (worker,) = json.loads(farhand("workers", "--hub", many, *flags).stdout)
    assert worker["info"]["id"] == "w1"
    listed = json.loads(farhand("handlers", "--hub", many, *flags).stdout)
    assert sorted(one["name"] for one in listed) == HANDLERS
    one = json.loads(farhand("handlers", "train", "--hub", many, *flags).stdout)
    assert (one["name"], one["result"]) == ("train", {"type": "integer"})
    assert json.loads(farhand("workers", "--hub", many, "--group", "none", *flags).stdout) == []


def test_json_is_also_to_be_had_at_a_terminal(many: str) -> None:
    status, lines = at_terminal(40, "workers", "--hub", many, "--json")
    assert (status, json.loads("".join(lines))[0]["info"]["id"]) == (0, "w1")


def test_nothing_to_list_says_what_to_do(many: str) -> None:
    for verb in ("workers", "handlers"):
        _, lines = at_terminal(80, verb, "--hub", many, "--group", "gpu")
        assert "in group gpu: start one with `farhand worker MODULE:APP --group gpu`" in " ".join(map(str.strip, lines))


def test_a_mistyped_handler_names_the_near_ones(many: str) -> None:
    done = farhand("handlers", "ordr", "--hub", many)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no worker serves 'ordr'; did you mean order? (HANDLER_NOT_FOUND)\n"
    assert "`farhand handlers` lists" in farhand("handlers", "xyz", "--hub", many).stderr
