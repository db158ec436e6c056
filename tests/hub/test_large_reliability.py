"""Large results at size: bounded memory, cuts at any place, full disks, and addresses that must not be dialled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import xxhash
from msgspec.structs import replace

from farhand.assembly import serve_hub
from farhand.carriage.landing import Landing
from farhand.client import AsyncClient, File, Ref
from farhand.core.refs import sign
from farhand.engines.files.blobs import FilesBlobs
from farhand.engines.memory.store import MemoryStore
from farhand.errors import FarhandError, InvalidArguments, OutOfSpace, PermissionDenied
from farhand.hub.transfers import Pipe
from farhand.model.ref import as_dict, from_dict
from tests import sizes, tallies
from tests.hub.large import app
from tests.hub.processes import a_hub, serving
from tests.hub.serving import working

pytestmark = pytest.mark.usefixtures("temporary")

MIB = 1024 * 1024
BIG = 3 * MIB
GROWTH = 64
"""MiB by which no process may grow, whatever passes through it."""
REFERENCE = str(Path(__file__).with_name("large.py"))


def resident(pid: int) -> int:
    """MiB of memory that a process has."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


class Watched:
    """How much processes grow while a block runs."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._begin = {name: resident(pid) for name, pid in pids.items()}
        self.growth = dict.fromkeys(pids, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for name, pid in self._pids.items():
                self.growth[name] = max(self.growth[name], resident(pid) - self._begin[name])

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def made(path: Path, size: int) -> str:
    """A file of `size` MiB that is no two blocks alike; its XXH3-128."""
    hasher, filler = xxhash.xxh3_128(), random.Random(1).randbytes(MIB - 8)
    with open(path, "wb") as file:
        for number in range(size):
            block = number.to_bytes(8, "big") + filler
            file.write(block)
            hasher.update(block)
    return hasher.hexdigest()


def digest_of(file: File) -> str:
    hasher = xxhash.xxh3_128()
    for piece in file.buffers():
        hasher.update(piece)
    return hasher.hexdigest()


@sizes.reliability("R16", seconds=400)
async def test_a_result_of_any_size_passes_in_bounded_memory(tmp_path: Path, tally: tallies.Tally) -> None:
    size = sizes.size("R16")
    path = tmp_path / "large.bin"
    digest = await asyncio.to_thread(made, path, size)
    async with (
        a_hub(tmp_path) as hub,
        serving("worker", REFERENCE, "--hub", hub.address) as (worker, _),
        AsyncClient(hub.address) as client,
    ):
        assert hub._process is not None
        await client.run("ones", {"size": 8 * MIB})
        with Watched({"hub": hub._process.pid, "worker": worker.pid, "client": os.getpid()}) as watched:
            found = await client.run("file", {"path": str(path)}, timeout=None)
            assert found.size == size * MIB
            assert await asyncio.to_thread(digest_of, found) == digest
            back = await client.run("digest", {"data": found}, timeout=None)
            assert (back["size"], back["on_disk"]) == (size * MIB, True)
        for name, growth in watched.growth.items():
            tally.count(growth, size, f"MiB of a result that the {name} grew by")
        assert all(growth <= GROWTH for growth in watched.growth.values()), watched.growth


@pytest.mark.timeout(300)
async def test_a_slow_reader_holds_its_writer_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.bin"
    await asyncio.to_thread(made, path, 256)
    seen = 0
    write = Landing.write

    async def slowly(self: Landing, data: memoryview) -> None:
        nonlocal seen
        await asyncio.sleep(len(data) / MIB)
        await write(self, data)
        seen += len(data)

    async with (
        a_hub(tmp_path) as hub,
        serving("worker", REFERENCE, "--hub", hub.address) as (worker, _),
        AsyncClient(hub.address) as client,
        AsyncClient(hub.address) as other,
    ):
        assert hub._process is not None
        await client.run("ones", {"size": 8 * MIB})
        monkeypatch.setattr(Landing, "write", slowly)
        with Watched({"hub": hub._process.pid, "worker": worker.pid, "client": os.getpid()}) as watched:
            call = asyncio.ensure_future(client.run("file", {"path": str(path)}, timeout=None))
            while seen < 6 * MIB:
                assert await other.run("lengths", {"a": "x"}) == {"a": 1}
                await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        assert all(growth <= GROWTH for growth in watched.growth.values()), watched.growth
        monkeypatch.setattr(Landing, "write", write)
        assert (await client.run("file", {"path": str(path)})).size == 256 * MIB


# -- cuts --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def cutting(address: str, places: list[int]) -> AsyncIterator[str]:
    """A proxy that cuts a connection for each of `places`, once it has brought so many bytes from the hub."""
    host, port = address.rsplit(":", 1)
    tasks: set[asyncio.Task[Any]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: float) -> None:
        with contextlib.suppress(ConnectionError):
            while left > 0 and (data := await reader.read(int(min(left, 65_536)))):
                writer.write(data)
                await writer.drain()
                left -= len(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(host, int(port))
        ways = [asyncio.ensure_future(pump(reader, to_there, float("inf")))]
        ways.append(asyncio.ensure_future(pump(there, writer, places.pop() if places else float("inf"))))
        tasks.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, to_there):
            end.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@sizes.reliability("R16_CUTS", seconds=300)
async def test_a_fetch_that_is_cut_goes_on_or_fails(tally: tallies.Tally) -> None:
    value, chance = random.Random(3).randbytes(BIG), random.Random(4)
    async with (
        await serve_hub(store=MemoryStore()) as hub,
        working(hub.address, app, reference=REFERENCE),
        AsyncClient(hub.address) as client,
    ):
        job = await client.submit("echo", {"value": value})
        await job.result()
        ref = await job.ref()

        async def one(places: list[int]) -> None:
            for place in places:
                async with cutting(hub.address, [place]) as proxy, AsyncClient(proxy) as reader:
                    wrong.append(await reader.fetch(ref) != value)

        places = [chance.randrange(1, BIG) for _ in range(sizes.size("R16_CUTS"))]
        wrong: list[bool] = []
        await asyncio.gather(*(one(places[k::8]) for k in range(8)))
        tally.count(sum(wrong), len(wrong), "transfers cut at a random place that were short or wrong")
        assert not any(wrong)


async def test_altered_bytes_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        await serve_hub(store=MemoryStore()) as hub,
        working(hub.address, app, reference=REFERENCE),
        AsyncClient(hub.address) as client,
    ):
        put = Pipe.put
        for change in (lambda part: part[:-1] + bytes([part[-1] ^ 1]), lambda part: part[:20] + part[40:]):

            async def altering(self: Pipe, part: bytes, change: Callable[[bytes], bytes] = change) -> bool:
                return await put(self, change(part) if len(part) > 1000 else part)

            monkeypatch.setattr(Pipe, "put", altering)
            with pytest.raises(FarhandError):
                await client.run("ones", {"size": BIG}, timeout=10)
            monkeypatch.setattr(Pipe, "put", put)
        assert await client.run("ones", {"size": BIG}) == b"\1" * BIG


# -- a disk that fills -------------------------------------------------------------------------------------------------


async def test_a_full_disk_of_the_hub_fails_what_needs_it_alone(small_disk: Path) -> None:
    async with (
        await serve_hub(store=MemoryStore(), blobs=FilesBlobs(small_disk)) as hub,
        working(hub.address, app, reference=REFERENCE),
        AsyncClient(hub.address) as client,
    ):
        job = await client.submit("ones", {"size": 32 * MIB})
        with pytest.raises(OutOfSpace) as caught:
            await job.result(timeout=30)
        assert caught.value.grpc_status == "RESOURCE_EXHAUSTED"
        assert await client.run("ones", {"size": BIG}) == b"\1" * BIG
        assert await (await client.submit("ones", {"size": BIG})).result() == b"\1" * BIG
        with pytest.raises(OutOfSpace):
            await client.submit("digest", {"data": b"x" * (32 * MIB)})
        assert await (await client.submit("lengths", {"a": "abc"})).result() == {"a": 3}


async def test_a_full_disk_of_the_reader_is_told(small_disk: Path, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "large.bin"
    await asyncio.to_thread(made, path, 32)
    async with (
        await serve_hub(store=MemoryStore()) as hub,
        working(hub.address, app, reference=REFERENCE),
        AsyncClient(hub.address) as client,
    ):
        monkeypatch.setattr("tempfile.tempdir", str(small_disk))
        with pytest.raises(OutOfSpace, match="TMPDIR"):
            await client.run("file", {"path": str(path)})
        assert not os.listdir(small_disk)
        assert await client.run("ones", {"size": BIG}) == b"\1" * BIG


# -- addresses ---------------------------------------------------------------------------------------------------------


class Trap:
    """A port that counts who dials it."""

    def __init__(self) -> None:
        self.caught = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._socket.accept()[0].close()
                self.caught += 1

    def close(self) -> None:
        self._socket.close()


def hostile(port: int) -> list[str]:
    """200 ways to write an address of this machine, or of places that nobody is to be led to."""
    hosts = ["127.0.0.1", "localhost", "LOCALHOST", "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "0.0.0.0"]
    hosts += ["[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "169.254.169.254", "metadata.google.internal"]
    hosts += ["127.0.0.1.nip.io", "user@127.0.0.1", "127.0.0.1%00", "127。0。0。1", "①②⑦.0.0.1", "a b"]
    forms = ["{}:{}", "http://{}:{}", "//{}:{}", "{}:{}/", "{}:{}#x", "dns:///{}:{}", "ipv4:{}:{}", "xds:///{}:{}"]
    forms += ["unix:///tmp/{}:{}", "file:///{}:{}"]
    return [form.format(host, port) for form, host in itertools.product(forms, hosts)][:200]


async def test_no_address_in_a_ref_is_dialled() -> None:
    trap = Trap()
    try:
        async with (
            await serve_hub(store=MemoryStore()) as hub,
            working(hub.address, app, reference=REFERENCE),
            AsyncClient(hub.address) as client,
        ):
            job = await client.submit("ones", {"size": BIG})
            await job.result()
            good = await job.ref()
            addresses = hostile(trap.port)
            assert len(set(addresses)) == 200
            made, refused = 0, 0
            for address in addresses:
                for field in ("uri", "direct"):
                    try:
                        ref = from_dict({**as_dict(good), field: address})
                    except InvalidArguments:
                        refused += 1
                        continue
                    made += 1
                    assert await client.fetch(ref) == b"\1" * BIG  # from the hub, whatever it says
                    forged = sign(b"x" * 32, replace(ref, direct=address), "worker-w1")
                    with pytest.raises(PermissionDenied):
                        await client.fetch(forged)
                    with pytest.raises(FarhandError):
                        await client.run("lengths", {"a": forged})
            assert made >= 2
            assert refused + made == 400
    finally:
        trap.close()
    assert trap.caught == 0
    assert isinstance(good, Ref)
