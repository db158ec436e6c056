"""The way of a pull runner: what it does when it is refused, told to wait, or not answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from farhand.model.event import Event, Kind
from farhand.model.payload import Payload
from farhand.worker.links import devaria
from farhand.worker.links.devaria import DevariaLink, Identity, NotLetIn
from farhand.worker.pulled import Pulled

JOB = {"job_type": "t", "input_params": {"n": 1}}


class Hub:
    """A hub that answers as it is told: by path, each time the next of these, the last one for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {
            "register": [(201, {"runner_id": "r1"})],
            "available": [(200, {"jobs": [{"job_id": "a", **JOB}, {"job_id": "b", **JOB}]}), (200, {"jobs": []})],
            "claim": [(200, {"success": True, "job": {"job_id": "a", **JOB}})],
            "heartbeat": [(200, {"success": True})],
            "complete": [(200, {"success": True})],
            "error": [(200, {"success": True})],
        }
        self.asked: list[tuple[str, Any]] = []
        self.told = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(size[0].split(b":")[1])) if size else b""
                path = head.split()[1].decode().partition("?")[0]
                name = path.rpartition("/")[2]
                status, told = self._next(name)
                self.asked.append((path, msgspec.json.decode(body) if body else None))
                data = msgspec.json.encode(told)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
                self.told.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _next(self, name: str) -> tuple[int, Any]:
        answers = self.answers[name]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def bodies(self, name: str) -> list[Any]:
        """What was sent to the paths of this name."""
        return [body for path, body in self.asked if path.endswith(name)]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until what was asked is so."""
        async with asyncio.timeout(20):
            while not condition():
                self.told.clear()
                await self.told.wait()


class Worker:
    """Ends each job at once with `end`; not at all where that is None."""

    def __init__(self, end: Event | None) -> None:
        self.end = end
        self.begun: list[str] = []
        self.given_up: list[str] = []
        self.known: list[str] = []

    def begin(self, job: Pulled, params: dict[str, Any]) -> None:
        self.begun.append(job.id)
        assert params == {"n": 1}
        job.say(Event(Kind.CONSOLE, text="text"))
        if self.end is not None:
            job.say(self.end)

    def give_up(self, job: Pulled) -> None:
        self.given_up.append(job.id)


SUCCESS = Event(Kind.SUCCEEDED, Payload(b'{"x":1}', 1))


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    found = Hub()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as server:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devaria, "POLL_LEAST", 0.05)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@asynccontextmanager
async def running(hub: Hub, worker: Worker, id: str = "", slots: int = 1) -> AsyncIterator[None]:
    """A link that runs until the block ends."""
    who = Identity(id=id, name="me", types=("t",))
    link = DevariaLink(hub.url, "key", who, slots, worker, worker.known.append)
    task = asyncio.ensure_future(link.run())
    try:
        yield
    finally:
        link.stop()
        await task


async def test_where_another_was_first_the_next_job_is_tried(hub: Hub) -> None:
    hub.answers["claim"] = [(409, {"success": False, "message": "taken"}), (200, {"job": {"job_id": "b", **JOB}})]
    worker = Worker(SUCCESS)
    async with running(hub, worker):
        await hub.until(lambda: hub.bodies("/complete"))
    assert worker.begun == ["b"]
    paths = [path for path, _ in hub.asked if path.endswith("/claim")]
    assert paths == ["/api/runner/jobs/a/claim", "/api/runner/jobs/b/claim"]
    assert hub.bodies("/complete") == [{"output_data": {"x": 1}, "console_output": "text"}]
    assert worker.known == ["r1"]
    assert hub.bodies("/register") == [{"name": "me", "capabilities": ["t"]}]


async def test_an_end_is_told_again_until_it_is_heard(hub: Hub) -> None:
    hub.answers["complete"] = [(503, {"error": "away"}), (500, {}), (200, {"success": True})]
    async with running(hub, Worker(SUCCESS)):
        await hub.until(lambda: len(hub.bodies("/complete")) == 3)


async def test_who_asks_too_often_waits_for_its_time(hub: Hub) -> None:
    began = time.time()
    hub.answers["available"].insert(0, (429, {"error": "Rate limit exceeded", "resetTime": (began + 1.5) * 1000}))
    async with running(hub, Worker(SUCCESS)):
        await hub.until(lambda: hub.bodies("/complete"))
    assert time.time() - began >= 1.4


async def test_a_result_that_is_refused_is_a_failure(hub: Hub) -> None:
    hub.answers["complete"] = [(400, {"error": "Output data exceeds size limit of 512000 bytes"})]
    async with running(hub, Worker(SUCCESS)):
        await hub.until(lambda: hub.bodies("/error"))
    (told,) = hub.bodies("/error")
    assert told["error_message"] == "Job execution failed: Output data exceeds size limit of 512000 bytes"


async def test_a_job_that_is_anothers_is_given_up(hub: Hub) -> None:
    hub.answers["heartbeat"] = [(400, {"success": False, "message": "not yours"})]
    worker = Worker(None)
    async with running(hub, worker):
        async with asyncio.timeout(20):
            while not worker.given_up:  # noqa: ASYNC110, it is told by a call
                await asyncio.sleep(0.01)
    assert worker.given_up == ["a"]
    assert hub.bodies("/complete") == hub.bodies("/error") == []


async def test_a_runner_that_is_not_known_any_more_registers_anew(hub: Hub) -> None:
    hub.answers["verify"] = [(404, {"exists": False})]
    worker = Worker(SUCCESS)
    async with running(hub, worker, id="r0"):
        await hub.until(lambda: hub.bodies("/complete"))
    assert worker.known == ["r1"]
    hub.asked.clear()
    hub.answers["verify"] = [(200, {"exists": True, "runner_name": "me"})]
    async with running(hub, worker, id="r0"):
        await hub.until(lambda: any(path.endswith("/available") for path, _ in hub.asked))
    assert hub.bodies("/register") == []


@pytest.mark.parametrize("status", [401, 404, 400])
async def test_a_hub_that_does_not_let_it_in_is_told_of(hub: Hub, status: int) -> None:
    hub.answers["register"] = [(status, {"error": "Invalid API key"})]
    link = DevariaLink(hub.url, "key", Identity(name="me", types=("t",)), 1, Worker(SUCCESS), print)
    with pytest.raises(NotLetIn, match="Invalid API key"):
        await link.run()


async def test_a_link_that_is_told_to_stop_waits_for_no_hub() -> None:
    link = DevariaLink("http://127.0.0.1:1", "key", Identity(name="me", types=("t",)), 1, Worker(SUCCESS), print)
    task = asyncio.ensure_future(link.run())
    await asyncio.sleep(0.1)
    link.stop()
    async with asyncio.timeout(10):
        await task
