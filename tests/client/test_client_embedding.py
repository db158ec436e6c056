"""Clients inside what others run: notebook cells, threaded WSGI servers, pools of threads, loops that come and go."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import socketserver
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import wsgiref.simple_server
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from farhand import AsyncClient, Client
from farhand.errors import FarhandError, HandlerFailed


class Notebook:
    """Runs cells as a Jupyter kernel does: all on one loop of the main thread, each with top-level await, all with the
    same names."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    async def cell(self, text: str) -> None:
        """Run one."""
        code = compile(text, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, self.names)
        if inspect.isawaitable(running):
            await running


def client_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "farhand-client"]


async def test_a_sync_client_in_cells(address: str) -> None:
    book = Notebook()
    await book.cell(f"import farhand; hub = farhand.Client({address!r})")
    await book.cell("one = hub.run('echo', {'value': 1})")
    await book.cell("chunks = [chunk for chunk in hub.stream('count', {'n': 5})]")
    await book.cell("values = list(hub.map('echo', [{'value': i} for i in range(300)]))")
    await book.cell("with hub.session() as s:\n    visits = [s.run('visits') for _ in range(3)]")
    assert (book.names["one"], book.names["chunks"], book.names["visits"]) == (1, [0, 1, 2, 3, 4], [1, 2, 3])
    assert book.names["values"] == list(range(300))
    with pytest.raises(HandlerFailed, match="ZeroDivisionError: no"):
        await book.cell("hub.run('boom', {'text': 'no'})")
    await book.cell("again = hub.run('echo', {'value': 2}); hub.close()")
    assert book.names["again"] == 2
    assert client_threads() == []


async def test_an_async_client_in_cells(address: str) -> None:
    book = Notebook()
    await book.cell(f"import asyncio, farhand; hub = farhand.AsyncClient({address!r})")
    await book.cell("one = await hub.run('echo', {'value': 1})")
    await book.cell("task = asyncio.ensure_future(hub.run('report', {'n': 5}))")
    await book.cell("chunks = [chunk async for chunk in hub.stream('count', {'n': 5})]")
    await book.cell("five = await task")
    await book.cell("await hub.close()")
    assert (book.names["one"], book.names["chunks"], book.names["five"]) == (1, [0, 1, 2, 3, 4], 5)


async def test_both_clients_side_by_side_in_one_loop(address: str) -> None:
    async with AsyncClient(address) as hub:
        pending = asyncio.ensure_future(hub.run("report", {"n": 3}))
        with Client(address) as blocking:
            assert blocking.run("echo", {"value": 1}) == 1
            assert await asyncio.to_thread(blocking.run, "echo", {"value": 2}) == 2
        assert await pending == 3


INTERRUPTED_CELL = """
import os, signal, sys, threading
import farhand

hub, other = farhand.Client(sys.argv[1]), farhand.Client(sys.argv[1])

def interrupt():
    while not other.hub().running:
        threading.Event().wait(0.01)
    os.kill(os.getpid(), signal.SIGINT)

async def cells():
    threading.Thread(target=interrupt).start()
    try:
        hub.run("hang", timeout=None)
    except KeyboardInterrupt:
        print("interrupted")
    while other.hub().running:
        threading.Event().wait(0.01)
    print(hub.run("echo", {"value": "again"}))

coroutine = cells()
try:
    coroutine.send(None)
except StopIteration:
    pass
hub.close(), other.close()
print([thread.name for thread in threading.enumerate()])
"""


def test_an_interrupted_cell_cancels_its_job_and_the_next_one_works(address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_CELL, address], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["interrupted", "again", "['MainThread']"]


def test_one_sync_client_outlives_the_loops_around_it(address: str) -> None:
    async def cell(value: int) -> int:
        return int(hub.run("echo", {"value": value}))

    with Client(address) as hub:
        assert [asyncio.run(cell(value)) for value in range(3)] == [0, 1, 2]


def test_each_thread_may_have_a_loop_and_an_async_client_of_its_own(address: str) -> None:
    async def work(value: int) -> list[int]:
        async with AsyncClient(address) as hub:
            return [await hub.run("echo", {"value": value}) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda value: asyncio.run(work(value)), range(8)))
    assert found == [[value] * 5 for value in range(8)]


def test_threads_run_stream_map_and_open_sessions_at_once(address: str) -> None:
    def run(i: int) -> bool:
        return bool(hub.run("echo", {"value": i}) == i)

    def stream(i: int) -> bool:
        return list(hub.stream("count", {"n": i})) == list(range(i))

    def map(i: int) -> bool:
        return list(hub.map("echo", [{"value": n} for n in range(i)])) == list(range(i))

    def session(i: int) -> bool:
        with hub.session() as own:
            return [own.run("visits") for _ in range(3)] == [1, 2, 3]

    def fail(i: int) -> bool:
        with pytest.raises(HandlerFailed, match=str(i)):
            hub.run("boom", {"text": str(i)})
        return True

    works = [run, stream, map, session, fail]
    with Client(address) as hub, ThreadPoolExecutor(12) as pool:
        done = [pool.submit(works[i % len(works)], i) for i in range(60)]
        assert all(one.result(30) for one in done)


# -- a threaded WSGI server, whose views share one client, as Django does under such a server --------------------------


class ThreadedServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """A thread for each request."""

    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that leaves is no news."""


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """No line for each request."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""

    def get_stderr(self) -> Any:
        """What a view raises because its reader has left is not shown either."""
        return io.StringIO()


Start = Callable[..., Any]


def site(hub: Client) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """Two views: one that answers, and one that streams."""

    def view(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        query = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
        if environ["PATH_INFO"] == "/stream":
            start("200 OK", [("Content-Type", "application/x-ndjson")])
            chunks = hub.stream("pieces", {"n": int(query["n"]), "size": int(query["size"])})
            return (bytes(chunk) for chunk in chunks)
        try:
            answer = hub.run(environ["PATH_INFO"][1:], query)
        except FarhandError as error:
            start("502 Bad Gateway", [("Content-Type", "application/json")])
            return [json.dumps({"code": error.code}).encode()]
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return view


@pytest.fixture
def url(address: str) -> Iterator[str]:
    """Where the site is served; its client was made before its threads and is used from all of them."""
    with Client(address) as hub, ThreadedServer(("127.0.0.1", 0), Quiet) as server:
        server.set_app(site(hub))
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join(10)


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_views_in_many_threads_share_one_client(url: str) -> None:
    def ask(i: int) -> bool:
        if i % 5 == 0:
            return get(f"{url}/boom?text={i}") == (502, b'{"code": "HANDLER_FAILED"}')
        if i % 5 == 1:
            return get(f"{url}/stream?n=3&size={i}") == (200, b"x" * 3 * i)
        return get(f"{url}/echo?value={i}") == (200, f'"{i}"'.encode())

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(80)))


def test_a_browser_that_leaves_cancels_the_job(url: str, address: str) -> None:
    with Client(address) as hub:
        with urllib.request.urlopen(f"{url}/stream?n=100000&size=100000", timeout=20) as answer:
            assert answer.read(100_000)
            assert hub.hub().running == 1
        while hub.hub().running:
            threading.Event().wait(0.02)
