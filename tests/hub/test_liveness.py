"""Who is there, who is silent and who is gone: with real processes, real signals and a line that goes dead."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.client import AsyncClient
from farhand.client.stream import Stream
from farhand.core.machine import Limits
from farhand.errors import DeadlineExceeded, OutcomeUnknown, SessionLost
from farhand.model.event import Kind
from farhand.model.worker import WorkerState, WorkerView
from tests.hub.processes import exit_status, serving, until, worker
from tests.sizes import SHARE, reliability


async def begun(client: AsyncClient, handler: str, args: dict[str, Any], **more: Any) -> Stream:
    """A stream whose handler runs."""
    stream = client.stream(handler, args, **more)
    async for event in stream_events(stream):
        if event.kind is Kind.STARTED:
            break
    return stream


async def stream_events(stream: Stream) -> AsyncIterator[Any]:
    """Its events, without ending it when the loop is left."""
    while True:
        for event in await stream.batch():
            yield event


async def only(client: AsyncClient) -> WorkerView:
    """The one worker there is."""
    (view,) = await client.workers()
    return view


async def test_a_worker_killed_in_mid_call_leaves_the_outcome_unknown_at_once(hub: RunningHub, tmp_path: Path) -> None:
    async with serving(*worker(hub.address, "w1")) as (process, _), AsyncClient(hub.address) as client:
        calls = [asyncio.ensure_future(client.run(name, {"path": str(tmp_path / "no")})) for name in ("wait", "hold")]
        await begun(client, "wait", {"path": str(tmp_path / "no")})
        began = time.monotonic()
        process.send_signal(signal.SIGKILL)
        for call in calls:
            with pytest.raises(OutcomeUnknown, match="worker 'w1' was lost while it had the job") as caught:
                await call
            assert not caught.value.retryable
        assert time.monotonic() - began < 2
        assert await client.workers() == []


@pytest.mark.parametrize("handler", ["hold", "hog"])
async def test_heartbeats_go_out_while_a_handler_is_busy(hub: RunningHub, tmp_path: Path, handler: str) -> None:
    """`hold` sleeps on the handlers' event loop; `hog` computes in pure Python. Neither says a word meanwhile."""
    path = tmp_path / "now"
    async with serving(*worker(hub.address, "w1")), AsyncClient(hub.address) as client:
        call = asyncio.ensure_future(client.run(handler, {"path": str(path)}))

        async def running() -> bool:
            return (await only(client)).running == 1

        await until(running)
        before = 0.0

        async def heard() -> bool:
            nonlocal before
            last, before = before, (await only(client)).silent_for
            return last > 1.0 and before < last

        await until(heard, within=8)
        assert not call.done()
        assert (await only(client)).state is WorkerState.READY
        path.touch()
        assert await call == "waited"


@pytest.mark.parametrize("handler", ["hold", "hold_plainly"])
async def test_a_handler_that_holds_the_loop_is_said_to_have_begun(tmp_path: Path, handler: str) -> None:
    path = tmp_path / "now"
    async with (
        await serve_hub(limits=Limits(start_timeout=3.0, cancel_timeout=0.5)) as hub,
        serving(*worker(hub.address, "w1")),
        AsyncClient(hub.address) as client,
    ):
        async with asyncio.timeout(8):
            await begun(client, handler, {"path": str(path)})
        path.touch()


@pytest.mark.skipif(not SHARE, reason="it takes minutes; `make chaos` runs it")
@reliability("R6", 300)
async def test_a_worker_whose_gil_is_held_is_stalled_but_loses_no_job(hub: RunningHub) -> None:
    async with serving(*worker(hub.address, "w1")), AsyncClient(hub.address) as client:
        call = asyncio.ensure_future(client.run("grip", {"letters": 30}, timeout=600))

        async def stalled() -> bool:
            return (await only(client)).state is WorkerState.STALLED

        await until(stalled, within=60)
        assert await call == "waited"
        assert await client.run("pid", timeout=60) > 0


async def test_a_stopped_worker_is_stalled_gets_no_new_work_and_goes_on_when_continued(tmp_path: Path) -> None:
    path = tmp_path / "now"
    limits = Limits(silence=1.0, stall_timeout=60)
    async with (
        await serve_hub(limits=limits) as hub,
        serving(*worker(hub.address, "w1")) as (process, _),
        AsyncClient(hub.address) as client,
    ):
        assert await client.run("pid") == process.pid
        running = asyncio.ensure_future(client.run("wait", {"path": str(path)}))

        async def runs() -> bool:
            return (await only(client)).running == 1

        await until(runs)
        process.send_signal(signal.SIGSTOP)

        async def stalled() -> bool:
            return (await only(client)).state is WorkerState.STALLED

        await until(stalled)
        with pytest.raises(DeadlineExceeded, match="is stalled or draining") as caught:
            await client.run("pid", timeout=0.2)
        assert caught.value.details["dispatched"] is False
        later = asyncio.ensure_future(client.run("pid"))

        async def waits() -> bool:
            return (await client.hub()).waiting == 1

        await until(waits)
        assert (await only(client)).running == 1
        path.touch()
        process.send_signal(signal.SIGCONT)
        assert await later == process.pid
        assert await running == "waited"


async def test_a_worker_silent_for_too_long_is_given_up_and_comes_back(tmp_path: Path) -> None:
    limits = Limits(silence=1.0, stall_timeout=3.0)
    async with (
        await serve_hub(limits=limits) as hub,
        serving(*worker(hub.address, "w1")) as (process, _),
        AsyncClient(hub.address) as client,
    ):
        assert await client.run("pid") == process.pid
        call = asyncio.ensure_future(client.run("wait", {"path": str(tmp_path / "no")}))

        async def runs() -> bool:
            return (await only(client)).running == 1

        await until(runs)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(OutcomeUnknown, match="silent for more than 3 s"):
            await call
        assert await client.workers() == []
        process.send_signal(signal.SIGCONT)
        assert await client.run("pid") == process.pid


async def test_the_older_of_two_processes_with_one_id_ends_and_says_why(hub: RunningHub, tmp_path: Path) -> None:
    async with serving(*worker(hub.address, "twin")) as (older, _), AsyncClient(hub.address) as client:
        call = asyncio.ensure_future(client.run("wait", {"path": str(tmp_path / "no")}))

        async def runs() -> bool:
            return (await only(client)).running == 1

        await until(runs)
        async with serving(*worker(hub.address, "twin")) as (newer, _):
            assert await exit_status(older, 5) == 1
            assert older.stderr is not None
            said = older.stderr.read()
            assert "a newer worker registered as 'twin'" in " ".join(said.split())
            assert "Traceback" not in said
            with pytest.raises(OutcomeUnknown, match="replaced by a newer one"):
                await call
            assert await client.run("pid") == newer.pid
            assert newer.poll() is None


async def test_a_session_dies_with_its_workers_process_or_moves_to_another(hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client:
        async with serving(*worker(hub.address, "first")) as (process, _):
            stays = await client.session()
            moves = await client.session(on_loss="move")
            for session in (stays, moves):
                await session.run("remember", {"word": "a"})
                assert await session.run("remember", {"word": "b"}) == ["a", "b"]
            process.send_signal(signal.SIGKILL)

            async def gone() -> bool:
                return await client.workers() == []

            await until(gone)
        with pytest.raises(SessionLost, match="the worker of session"):
            await stays.run("remember", {"word": "c"})
        async with serving(*worker(hub.address, "second")):
            assert await moves.run("remember", {"word": "c"}) == ["moved", "c"]
            assert await moves.run("remember", {"word": "d"}) == ["moved", "c", "d"]


# -- a line that goes dead ---------------------------------------------------------------------------------------------


class Line:
    """A TCP relay to the hub. Once `dead`, nothing passes, and neither end is told: as when a cable is pulled."""

    def __init__(self) -> None:
        self.dead = False
        self._tasks: set[asyncio.Future[None]] = set()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if not self.dead:
                writer.write(data)
                await writer.drain()

    @asynccontextmanager
    async def to(self, address: str) -> AsyncIterator[str]:
        """Its own address."""
        host, _, port = address.rpartition(":")
        writers: list[asyncio.StreamWriter] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection(host, int(port))
            writers.extend((writer, back))
            for one in (self.relay(reader, back), self.relay(there, writer)):
                self._tasks.add(asyncio.ensure_future(one))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def test_a_peer_behind_a_dead_line_is_noticed_within_20_seconds_at_either_end(
    hub: RunningHub, tmp_path: Path
) -> None:
    never = {"path": str(tmp_path / "no")}
    line = Line()
    async with (
        line.to(hub.address) as through,
        serving(*worker(hub.address, "near", "--group", "near")),
        serving(*worker(through, "far", "--group", "far")),
        AsyncClient(hub.address) as client,
        AsyncClient(through) as remote,
    ):
        lost = asyncio.ensure_future(client.run("wait", never, group="far", timeout=60))
        cut_off = asyncio.ensure_future(remote.run("wait_async", never, group="near", timeout=60))

        async def both_run() -> bool:
            return (await client.hub()).running == 2

        await until(both_run)
        line.dead = True
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="worker 'far' was lost"):
            await lost
        with pytest.raises(OutcomeUnknown):
            await cut_off

        async def its_job_is_cancelled_too() -> bool:
            return [view.running for view in await client.workers("near")] == [0]

        await until(its_job_is_cancelled_too)
        assert time.monotonic() - began < 20
