"""The state of a session that has moved here, while and after its restore hook runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from farhand.errors import InvalidArguments
from farhand.model.payload import Media, Payload
from farhand.wire.farhand.incoming import Assignment
from farhand.worker.sessions import Sessions


def first_call(*, moved: bool, data: Payload | None = None) -> Assignment:
    one = Assignment("j", "f", Payload(), None, 0)
    one.session, one.moved = "s", moved
    one.session_data = data or Payload(b'{"seed": 1}', Media.JSON)
    return one


async def test_calls_wait_while_the_hook_runs_and_not_after() -> None:
    go_on = asyncio.Event()

    async def restore(state: dict[str, Any]) -> None:
        await go_on.wait()
        state["restored"] = True

    sessions = Sessions(restore)
    state, waits = sessions.open(first_call(moved=True))
    again, also_waits = sessions.open(first_call(moved=False))
    assert again is state == {"seed": 1}
    assert waits is not None
    assert also_waits is waits
    go_on.set()
    await waits
    assert sessions.open(first_call(moved=False)) == ({"seed": 1, "restored": True}, None)


async def test_a_failed_hook_fails_every_call_until_the_session_is_closed() -> None:
    def restore(state: dict[str, Any]) -> None:
        raise ValueError("no such index")

    sessions = Sessions(restore)
    for _ in range(2):
        _, waits = sessions.open(first_call(moved=True))
        assert waits is not None
        with pytest.raises(ValueError, match="no such index"):
            await waits
    sessions.close("s")
    assert sessions.state("s") is None
    assert sessions.open(first_call(moved=False))[1] is None


async def test_closing_ends_a_hook_that_still_runs() -> None:
    async def restore(state: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    sessions = Sessions(restore)
    _, waits = sessions.open(first_call(moved=True))
    assert sessions.close_all() == ["s"]
    assert waits is not None
    with pytest.raises(asyncio.CancelledError):
        await waits


async def test_data_that_cannot_be_read_opens_nothing() -> None:
    sessions = Sessions(None)
    with pytest.raises(InvalidArguments):
        sessions.open(first_call(moved=False, data=Payload(b"{", Media.JSON)))
    assert sessions.state("s") is None
