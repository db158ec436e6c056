"""Classes, as pools name them, and apps as commands."""

from __future__ import annotations

import json

import pytest

from farhand.errors import FarhandError
from farhand.kits.snakepit import load_adapter
from tests.worker.snakepit.calling import chunks, pooled, result

HERE = "tests.worker.snakepit.apps"


async def test_methods_are_commands() -> None:
    async with pooled(load_adapter(f"{HERE}.Plain")) as (pool, _):
        assert (await pool.execute("ping")).result["status"] == b"ok"
        assert (await pool.execute("ping")).result["calls"] == b"2"
        assert (await pool.execute("later", text=b"a")).result["result"] == b"A"
        assert chunks(await pool.stream("numbers", n=2)) == [{"result": 0}, {"result": 1}]
        await pool.in_session("s", "remember", key="a")
        assert result(await pool.in_session("s", "remember", key="b")) == ["a", "b"]
        assert (await pool.info()).supported_commands == ["later", "numbers", "ping", "remember"]
        assert (await pool.execute("_hidden")).result["status"] == b"error"


async def test_one_method_for_all_that_it_knows() -> None:
    async with pooled(load_adapter(f"{HERE}.Dispatching")) as (pool, _):
        assert dict((await pool.execute("compute", a=1, b=2)).result) == {"command": b"compute", "sum": b"3"}
        said = await pool.stream("stream", n=2)
        assert [(one.is_final, dict(one.chunk)) for one in said] == [
            (False, {"number": b"0"}),
            (False, {"number": b"1"}),
            (True, {"number": b"last"}),
        ]
        *_, last = await pool.stream("stream", n=1, fail=True)
        assert (last.is_final, last.error) == (True, "it broke")
        assert (await pool.execute("fly")).result["error"] == b"Unknown command: fly"
        (unknown,) = await pool.stream("fly")
        assert unknown.error == "Unknown streaming command: fly"
        assert (await pool.info()).supported_commands == ["compute", "stream"]
        assert (await pool.execute("snakepit.execute", a=1)).result["status"] == b"error"


async def test_one_method_for_whatever_comes() -> None:
    async with pooled(load_adapter(f"{HERE}:Open")) as (pool, _):
        answer = await pool.in_session("s", "anything", a=[1])
        assert json.loads(answer.result["args"]) == {"a": [1]}
        assert (answer.result["command"], answer.result["in_session"]) == (b"anything", b"true")
        said = await pool.stream("more", a=1)
        assert [dict(one.chunk) for one in said] == [{"result": b"more"}, {"a": b"1"}]


def test_an_app_by_its_name() -> None:
    assert "add" in load_adapter(f"{HERE}:app").names
    assert "add" in load_adapter(f"{HERE}.app").names
    assert load_adapter("farhand.kits.snakepit.streams:app").names == [
        "batch_inference",
        "distributed_training",
        "ping_stream",
        "process_large_dataset",
        "realtime_stock_analysis",
        "tail_and_analyze",
    ]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("adapter", "MODULE.CLASS"),
        ("no_such_module.Class", "no module"),
        (f"{HERE}.Missing", "nothing named 'Missing'"),
        (f"{HERE}.asyncio", "neither a class"),
        (f"{HERE}.Empty", "no command"),
    ],
)
def test_what_is_no_adapter_is_told(reference: str, why: str) -> None:
    with pytest.raises(FarhandError, match=why):
        load_adapter(reference)
