"""Both clients against a real hub with a real worker."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from farhand.client import AsyncClient, Client
from farhand.errors import (
    DeadlineExceeded,
    FarhandError,
    HandlerFailed,
    HandlerNotFound,
    InvalidArguments,
    JobNotFound,
    Unavailable,
)
from farhand.model.event import Kind, Progress


@dataclasses.dataclass
class Value:
    value: int


class Point(msgspec.Struct):
    x: int


async def test_run_answers_every_form_of_arguments(address: str) -> None:
    async with AsyncClient(address) as client:
        assert await client.run("echo", {"value": {"a": [1, None, b"x"]}}) == {"a": [1, None, b"x"]}
        assert await client.run("echo", Value(3)) == 3
        assert await client.run("echo", {"value": {"x": 1}}, returns=Point) == Point(1)
        assert await client.run("count", {"n": 3}) == [0, 1, 2]


async def test_each_error_is_its_own_class(address: str) -> None:
    async with AsyncClient(address) as client:
        with pytest.raises(HandlerFailed) as failed:
            await client.run("boom", {"text": "no"})
        assert (failed.value.type, failed.value.message) == ("ZeroDivisionError", "no")
        assert "raise ZeroDivisionError(text)" in failed.value.traceback
        with pytest.raises(HandlerNotFound) as unknown:
            await client.run("ecko")
        assert unknown.value.details["similar"] == ["echo"]
        with pytest.raises(InvalidArguments) as wrong:
            await client.run("boom", {"text": 1})
        assert wrong.value.details["problems"][0]["path"] == "text"
        with pytest.raises(DeadlineExceeded) as late:
            await client.run("hang", timeout=0.1)
        assert late.value.details["dispatched"] is True
        with pytest.raises(DeadlineExceeded) as nobody:
            await client.run("echo", {"value": 1}, group="nobody", timeout=0.1)
        assert nobody.value.details["dispatched"] is False
        with pytest.raises(JobNotFound):
            await client.cancel("no-such-job")


async def test_a_stream_tells_everything(address: str) -> None:
    seen: list[Progress] = []
    texts: list[str] = []
    async with AsyncClient(address) as client:
        stream = client.stream("report", {"n": 5}, progress=seen.append, console=texts.append)
        assert [chunk async for chunk in stream] == []
        assert (stream.result, seen[-1].current, "".join(texts)) == (5, 5, "done\n")
        assert stream.job_id
        assert stream.worker_id
        kinds = [event.kind async for event in client.stream("count", {"n": 2}).events()]
        assert kinds == [Kind.QUEUED, Kind.STARTED, Kind.CHUNK, Kind.CHUNK, Kind.SUCCEEDED]


async def test_a_large_stream_passes_a_small_window(address: str) -> None:
    async with AsyncClient(address) as client:
        sizes = [len(chunk) async for chunk in client.stream("pieces", {"n": 200, "size": 64 * 1024})]
        assert sizes == [64 * 1024] * 200


async def test_a_job_is_cancelled_by_its_id(address: str) -> None:
    async with AsyncClient(address) as client:
        stream = client.stream("hang")
        async for event in stream.events():
            if event.kind is Kind.STARTED:
                assert (await client.cancel(stream.job_id)).outcome == "stopped"
                break


async def test_map_keeps_order_and_its_window(address: str) -> None:
    ahead = read = 0

    def source() -> Iterator[dict[str, int]]:
        nonlocal read
        for i in range(3000):
            read += 1
            yield {"value": i}

    async with AsyncClient(address) as client:
        results = []
        async for result in client.map("echo", source(), window=100):
            results.append(result)
            ahead = max(ahead, read - len(results))
        assert results == list(range(3000))
        assert ahead <= 100


async def test_map_reads_async_sources_and_gives_errors_their_places(address: str) -> None:
    async def source() -> AsyncIterator[dict[str, str]]:
        for text in "ab":
            yield {"text": text}

    async with AsyncClient(address) as client:
        found = [one async for one in client.map("boom", source(), return_exceptions=True)]
        assert [error.message for error in found] == ["a", "b"]
        with pytest.raises(HandlerFailed):
            async for _ in client.map("boom", source()):
                pass


async def test_a_session_keeps_its_state(address: str) -> None:
    async with AsyncClient(address) as client, client.session(data={"n": 10}) as session:
        assert [await session.run("visits") for _ in range(2)] == [11, 12]


async def test_one_client_belongs_to_one_loop(address: str) -> None:
    client = AsyncClient(address)
    assert await client.run("echo", {"value": 1}) == 1

    def elsewhere() -> None:
        with pytest.raises(Unavailable, match="another event loop"):
            asyncio.run(client.run("echo", {"value": 1}))

    await asyncio.to_thread(elsewhere)
    await client.close()


def test_the_listings(address: str) -> None:
    with Client(address) as hub:
        assert [view.state.value for view in hub.workers()] == ["ready"]
        assert {"echo", "count"} <= {view.handler.name for view in hub.handlers()}
        assert hub.hub().workers == 1


def test_sync_run_stream_map_and_session(address: str) -> None:
    seen: list[tuple[float, int]] = []
    with Client(address) as hub:
        assert hub.run("echo", {"value": "é"}) == "é"
        assert list(hub.stream("count", {"n": 2000})) == list(range(2000))
        me = threading.get_ident()
        stream = hub.stream("report", {"n": 3}, progress=lambda p: seen.append((p.current, threading.get_ident())))
        assert list(stream) == []
        assert (stream.result, seen[-1]) == (3, (3.0, me))
        assert list(hub.map("echo", ({"value": i} for i in range(3000)))) == list(range(3000))
        assert list(hub.map("echo", [])) == []
        with pytest.raises(HandlerFailed):
            list(hub.map("boom", [{"text": "x"}] * 10))
        with hub.session() as session:
            assert [session.run("visits"), session.run("visits")] == [1, 2]


def test_sync_map_gives_what_is_done_while_its_source_is_slow(address: str) -> None:
    given = threading.Event()

    def source() -> Iterator[dict[str, int]]:
        yield {"value": 1}
        for i in range(2, 1000):
            if given.wait(0.03):
                return
            yield {"value": i}

    with Client(address) as hub:
        for result in hub.map("echo", source()):
            assert result >= 1
            given.set()
        assert given.is_set()


def test_leaving_a_sync_loop_cancels_the_job(address: str) -> None:
    with Client(address) as hub:
        stream = hub.stream("hang")
        for event in stream.events():
            if event.kind is Kind.STARTED:
                break
        assert stream.cancel().outcome == "stopped"
        while hub.hub().running:
            threading.Event().wait(0.01)


def test_many_threads_share_a_client(address: str) -> None:
    with Client(address) as hub, ThreadPoolExecutor(16) as pool:
        work = [pool.submit(lambda i=i: [hub.run("echo", {"value": i}) for _ in range(20)]) for i in range(16)]  # type: ignore[misc]
        assert [one.result() for one in work] == [[i] * 20 for i in range(16)]


def test_close_ends_the_thread_and_the_client_may_be_used_again(address: str) -> None:
    hub = Client(address)
    assert hub.run("echo", {"value": 1}) == 1
    hub.close()
    assert "farhand-client" not in {thread.name for thread in threading.enumerate()}
    assert hub.run("echo", {"value": 2}) == 2
    hub.close()


def test_close_wakes_a_thread_that_waits(address: str) -> None:
    hub = Client(address)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.run, "hang")
        while hub.hub().running == 0:
            threading.Event().wait(0.01)
        hub.close()
        with pytest.raises(FarhandError):
            waiting.result(10)


async def test_it_works_inside_a_running_loop(address: str) -> None:
    with Client(address) as hub:
        assert hub.run("echo", {"value": 1}) == 1


def _child(hub: Client, value: int) -> int:
    with hub:
        return int(hub.run("echo", {"value": value}))


def test_it_goes_to_spawned_processes(address: str) -> None:
    with Client(address) as hub:
        hub.run("echo", {"value": 1})
        assert pickle.loads(pickle.dumps(hub)).address == address  # noqa: S301
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_child, (hub, 7)) == 7


PROGRAM = """
import os, sys
from farhand.client import Client
from farhand.errors import Unavailable
hub = Client(sys.argv[1])
if sys.argv[2] == "used":
    hub.run("echo", {"value": 1})
threads = "/proc/self/task"
for value in range(2, 12):
    pid = os.fork()
    if pid == 0:
        print(len(os.listdir(threads)) if os.path.exists(threads) else 1, end=" ")
        try:
            print(hub.run("echo", {"value": value}), flush=True)
        except Unavailable as error:
            print("refused", "spawn" in str(error), error.retryable, flush=True)
        hub.close()
        os._exit(0)
    print("status", os.waitpid(pid, 0)[1], flush=True)
print(hub.run("echo", {"value": 12}))
"""


@pytest.mark.parametrize("state", ["used", "fresh"])
def test_after_a_fork_an_unused_client_works_and_a_used_one_says_what_to_do(address: str, state: str) -> None:
    """A forked process has the one thread that forked: gRPC's own fork handlers started others there, which crashed it
    in one fork of ten. It fails when `wire/farhand/__init__.py` leaves them on."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM, address, state],
        env={name: value for name, value in os.environ.items() if not name.startswith("GRPC_")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    said = [f"1 {'refused True False' if state == 'used' else value}" for value in range(2, 12)]
    assert done.stdout.splitlines() == [line for one in said for line in (one, "status 0")] + ["12"]
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


INTERRUPTED = """
import sys
from farhand.client import Client
hub = Client(sys.argv[1])
print("go", flush=True)
hub.run("hang", timeout=None)
"""


def test_ctrl_c_cancels_the_job(address: str) -> None:
    with Client(address) as hub:
        while hub.hub().running:  # of a test before
            threading.Event().wait(0.02)
        with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while hub.hub().running == 0:
                threading.Event().wait(0.02)
            os.kill(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=20)
        assert "KeyboardInterrupt" in said
        assert "never" not in said
        while hub.hub().running:
            threading.Event().wait(0.02)
