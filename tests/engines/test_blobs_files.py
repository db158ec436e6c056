"""Blobs in files stand full disks, killed processes, damage, and a second hub on their folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from farhand.engines.files.blobs import FilesBlobs
from farhand.errors import DataDamaged, OutOfSpace, Overloaded, RefNotFound, Unavailable
from farhand.ports.blobs import BUFFER
from farhand.testing.conformance.blobs import get, put, rest, some_bytes
from tests.engines.dying_writer import SIZES, content

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the blobs are."""
    return tmp_path / "blobs"


@pytest.fixture
async def blobs(folder: Path) -> AsyncIterator[FilesBlobs]:
    """An empty store."""
    blobs = FilesBlobs(folder)
    yield blobs
    await blobs.close()


def kept(folder: Path) -> list[Path]:
    """The files of the blobs."""
    return [path for path in (folder / "kept").rglob("*") if path.is_file()]


def folders(folder: Path) -> list[Path]:
    """The folder and those in it."""
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def incoming(folder: Path) -> list[Path]:
    """The files of what is being written."""
    return list((folder / "incoming").iterdir())


def test_a_writer_killed_at_any_moment_leaves_each_blob_whole_or_not_there(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = subprocess.run(
        (sys.executable, "-m", "tests.engines.dying_writer", str(folder), str(log), "1", "91"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
    ends = [int(line) for line in done.stdout.split()]
    assert ends.count(-9) >= 50
    acknowledged = set(log.read_text().split())
    assert 0 < len(acknowledged) < 90 * len(SIZES)
    found = asyncio.run(all_of(folder))
    assert acknowledged <= found.keys()
    assert [id for id, data in found.items() if data != content(id)] == []
    assert incoming(folder) == []


async def all_of(folder: Path) -> dict[str, bytes]:
    """All blobs, as a hub reads them that is started next."""
    blobs = FilesBlobs(folder)
    found = {one.id: await rest(await blobs.open(one.id)) for one in await blobs.list()}
    await blobs.close()
    return found


async def test_a_blob_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_told(
    blobs: FilesBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def synced(fd: int) -> None:
        fsync(fd)
        done.append(("fsync", os.readlink(f"/proc/self/fd/{fd}")))

    def renamed(old: Path, new: Path) -> None:
        rename(old, new)
        done.append(("rename", str(new)))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    async with await blobs.begin("a") as writer:
        await writer.write(b"x")
        (temporary,) = incoming(folder)
        await writer.commit(1, "")
    (path,) = kept(folder)
    assert done == [
        ("fsync", str(temporary)),
        ("fsync", str(path.parent.parent.parent)),
        ("fsync", str(path.parent.parent)),
        ("rename", str(path)),
        ("fsync", str(path.parent)),
    ]


async def test_a_full_disk_refuses_what_is_new_and_gives_what_it_has(small_disk: Path) -> None:
    blobs = FilesBlobs(small_disk / "blobs")
    old = some_bytes(4 * MIB)
    await put(blobs, "old", old)
    reader = await blobs.open("old")
    first = await anext(reader)
    with pytest.raises(OutOfSpace, match=r"is full: delete what isn't needed there, or start the hub with --blobs"):
        await put(blobs, "new", some_bytes(20 * MIB))
    assert OutOfSpace.grpc_status == "RESOURCE_EXHAUSTED"
    assert first + await rest(reader) == old
    assert await get(blobs, "old") == old
    assert await get(blobs, "new") is None
    assert incoming(small_disk / "blobs") == []
    again = some_bytes(8 * MIB, 1)
    await put(blobs, "again", again)
    with pytest.raises(OutOfSpace):
        await put(blobs, "more", some_bytes(8 * MIB))
    assert await blobs.delete(["old"]) == 1
    usage = await blobs.usage()
    assert usage.free is not None
    assert usage.free > 7 * MIB
    await put(blobs, "more", again[: 7 * MIB])
    assert await get(blobs, "more") == again[: 7 * MIB]
    assert await get(blobs, "again") == again
    await blobs.close()


async def test_a_disk_that_is_full_to_the_last_byte_still_deletes(small_disk: Path) -> None:
    blobs = FilesBlobs(small_disk / "blobs")
    await put(blobs, "a", b"a")
    fill = small_disk / "fill"
    with fill.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65_536)):
            pass
    assert os.statvfs(small_disk).f_bavail == 0
    with pytest.raises(OutOfSpace):
        await put(blobs, "b", some_bytes(100_000))
    assert await get(blobs, "a") == b"a"
    assert await blobs.delete(["a"]) == 1
    fill.unlink()
    await put(blobs, "b", some_bytes(100_000))
    await blobs.close()


async def test_damage_is_told_and_never_read_as_whole(blobs: FilesBlobs, folder: Path) -> None:
    data = some_bytes(3 * BUFFER)
    for name, damage in (
        ("flipped", lambda raw: raw[:BUFFER] + bytes([raw[BUFFER] ^ 1]) + raw[BUFFER + 1 :]),
        ("cut", lambda raw: raw[:-1]),
        ("short", lambda raw: raw[:BUFFER]),
        ("empty", lambda raw: b""),
        ("longer", lambda raw: raw + b"\0"),
        ("zeros", lambda raw: raw[:-32] + bytes(32)),
    ):
        await put(blobs, name, data)
        (path,) = (path for path in kept(folder) if path.name == name)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(DataDamaged, match=f"blob {name} is damaged"):
            await rest(await blobs.open(name))
        if name != "flipped":
            with pytest.raises(DataDamaged):
                await blobs.stat(name)
            await put(blobs, name, data)
            assert await get(blobs, name) == data
        assert await blobs.delete([name]) == 1
        assert await get(blobs, name) is None


async def test_a_file_that_is_cut_while_it_is_read_is_told(blobs: FilesBlobs, folder: Path) -> None:
    await put(blobs, "a", some_bytes(3 * BUFFER))
    (path,) = kept(folder)
    async with await blobs.open("a", 1) as reader:
        await anext(reader)
        os.truncate(path, BUFFER + 1)
        with pytest.raises(DataDamaged, match="it was cut"):
            await anext(reader)


async def test_two_hubs_share_a_folder_and_the_dead_one_s_rest_is_removed(blobs: FilesBlobs, folder: Path) -> None:
    writer = await blobs.begin("a")
    await writer.write(b"of one that lives")
    (folder / "incoming" / "b.0123456789abcdef").write_bytes(b"of one that died")
    other = FilesBlobs(folder)
    assert len(incoming(folder)) == 1
    await writer.commit(-1, "")
    assert await get(other, "a") == b"of one that lives"
    await other.delete(["a"])
    assert await get(blobs, "a") is None
    await other.close()


async def test_a_new_file_that_another_hub_took_for_a_rest_is_made_anew(
    blobs: FilesBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, tries = os.open, 0

    def interrupted(path: Any, *given: Any, **more: Any) -> int:
        nonlocal tries
        fd = opened(path, *given, **more)
        if Path(path).parent == folder / "incoming":
            tries += 1
            if tries == 1:
                os.unlink(path)
        return fd

    monkeypatch.setattr(os, "open", interrupted)
    assert (await put(blobs, "a", b"x")).size == 1
    assert tries == 2
    assert await get(blobs, "a") == b"x"


async def test_files_are_for_their_owner_only(blobs: FilesBlobs, folder: Path) -> None:
    await put(blobs, "a", b"x")
    writer = await blobs.begin("b")
    for path in (*kept(folder), *incoming(folder)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in folders(folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    await writer.abort()


async def test_a_slow_disk_holds_up_only_who_waits_for_it(blobs: FilesBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(blobs, "a", b"x")
    reached, go, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(fd: int) -> None:
        reached.set()
        go.wait(30)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", slow)
    slowly = asyncio.ensure_future(put(blobs, "b", b"y"))
    while not reached.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert await get(blobs, "a") == b"x"
    assert await blobs.stat("b") is None
    assert not slowly.done()
    go.set()
    assert (await slowly).size == 1


async def test_who_is_cancelled_while_the_disk_is_slow_leaves_nothing(
    blobs: FilesBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go, opened = threading.Event(), threading.Event(), os.open

    def slow(*given: Any, **more: Any) -> int:
        reached.set()
        go.wait(30)
        return opened(*given, **more)

    monkeypatch.setattr(os, "open", slow)
    beginning = asyncio.ensure_future(blobs.begin("a"))
    while not reached.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    beginning.cancel()
    await asyncio.wait({beginning})
    go.set()
    monkeypatch.setattr(os, "open", opened)
    await put(blobs, "b", b"y")
    while incoming(folder):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert await blobs.stat("a") is None


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(28, "No space left on device"), OutOfSpace, "is full"),
        (OSError(122, "Disk quota exceeded"), OutOfSpace, "is full"),
        (OSError(24, "Too many open files"), Overloaded, "too many files are open"),
        (OSError(30, "Read-only file system"), Unavailable, "failed: Read-only file system. Correct that"),
        (OSError(5, "Input/output error"), Unavailable, "Input/output error"),
    ],
)
async def test_what_the_disk_says_is_told_with_what_to_do(
    blobs: FilesBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[Exception], text: str
) -> None:
    def fails(*given: Any) -> None:
        raise error

    for call in ("write", "fsync", "rename"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fails)
            with pytest.raises(kind, match=text):
                await put(blobs, "a", b"x")
        assert incoming(folder) == []
        assert await blobs.stat("a") is None
    await put(blobs, "a", b"x")


async def test_a_file_system_that_forgot_the_file_says_it_is_gone(
    blobs: FilesBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(blobs, "a", b"x")

    def stale(*given: Any) -> bytes:
        raise OSError(116, "Stale file handle")

    async with await blobs.open("a") as reader:
        monkeypatch.setattr(os, "pread", stale)
        with pytest.raises(RefNotFound, match="no blob a"):
            await anext(reader)


def test_a_folder_that_can_t_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match=r"file failed: .*Correct that, or name another with --blobs"):
        FilesBlobs(tmp_path / "file")


async def test_what_else_lies_in_the_folder_is_left_alone(blobs: FilesBlobs, folder: Path) -> None:
    await put(blobs, "a", b"x")
    (path,) = kept(folder)
    (path.parent / "NOTES.txt").write_text("x")
    (folder / "kept" / "0").mkdir(exist_ok=True)
    (folder / "kept" / "0" / "file").write_text("x")
    assert [one.id for one in await blobs.list()] == ["a"]
    assert (await blobs.usage()).blobs == 1
