"""Results in memory and in files: read while they are dropped, bounded, and released by their task."""

from __future__ import annotations

import gc
import os
import warnings
from pathlib import Path

import pytest

from farhand.engines.files.spool import FileSpool, SpoolLimits
from farhand.errors import ResultGone, TooLarge
from farhand.model.spooled import Spooled


def put(spool: FileSpool, owner: str, data: bytes) -> Spooled:
    writer = spool.begin(owner)
    for at in range(0, len(data), 1000):
        writer.write(data[at : at + 1000])
    spooled = writer.finish("bytes")
    writer.discard()  # after its end, nothing
    return spooled


@pytest.mark.parametrize("size", [0, 10, 100_000])
@pytest.mark.parametrize("memory", [0, 1_000])
def test_what_was_written_is_read(tmp_path: Path, size: int, memory: int) -> None:
    spool, data = FileSpool(tmp_path, SpoolLimits(memory=memory)), bytes(size)
    spooled = put(spool, "a", data)
    assert (spooled.size, spool.has(spooled)) == (size, True)
    assert b"".join(spool.read(spooled)) == data
    assert b"".join(spool.read(spooled, 3, 7)) == data[3:7]
    assert spool.path(spooled).read_bytes() == data
    assert b"".join(FileSpool(tmp_path).read(spooled)) == data  # in another process


def test_a_task_that_ends_keeps_its_result_only(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, SpoolLimits(memory=10))
    small, large, result = put(spool, "a", b"x"), put(spool, "a", b"x" * 100), put(spool, "a", b"y" * 100)
    other = put(spool, "b", b"z" * 100)
    spool.release("a", result)
    assert [spool.has(one) for one in (small, large, result, other)] == [False, False, True, True]
    spool.release("b")
    assert [path.name for path in tmp_path.iterdir()] == [result.name]
    assert spool.kept == 1


def test_what_is_dropped_is_read_to_its_end_and_then_gone(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, SpoolLimits(memory=0, count=1))
    first = put(spool, "a", bytes(1 << 20))
    spool.release("a", first)
    reading = spool.read(first)
    read = len(next(reading))
    second = put(spool, "b", b"x")
    spool.release("b", second)
    assert read + sum(len(piece) for piece in reading) == 1 << 20
    with pytest.raises(ResultGone):
        spool.read(first)


def test_too_old(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, SpoolLimits(memory=0, age=-1.0))
    one = put(spool, "a", b"x")
    spool.release("a", one)
    assert not spool.has(one)


def test_the_disk_budget_drops_the_oldest_and_then_refuses(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, SpoolLimits(memory=0, disk=1 << 20))
    old = put(spool, "a", bytes(600_000))
    spool.release("a", old)
    new = put(spool, "b", bytes(600_000))
    assert [spool.has(one) for one in (old, new)] == [False, True]
    writer = spool.begin("c")

    def flood() -> None:
        for _ in range(2_000):
            writer.write(bytes(1_000))

    with pytest.raises(TooLarge, match="on disk"):
        flood()
    writer.discard()
    spool.release("b", new)
    assert [path.name for path in tmp_path.iterdir()] == [new.name]


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path)
    for name in ("../x", "/etc/hostname", ".hidden"):
        with pytest.raises(ResultGone):
            spool.read(Spooled(name=name, size=1, sha256="", content="bytes"))


def test_a_reading_that_nobody_begins_leaves_no_file_open(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, SpoolLimits(memory=0))
    writer = spool.begin("task")
    writer.write(b"x" * 100)
    spooled = writer.finish("bytes")
    spool.release("task", spooled)
    before = set(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pieces = spool.read(spooled)
        del pieces
        gc.collect()
    assert not before or set(os.listdir("/proc/self/fd")) <= before
    assert b"".join(spool.read(spooled, 10, 20)) == b"x" * 10
