"""Files as values: the ways to read one, wherever its bytes are."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from farhand.wire.codecs.base import OnDisk
from farhand.wire.codecs.files import File

DATA = bytes(range(256)) * 4096


def in_memory(folder: Path, data: bytes) -> File:
    return File.of(data, "a.bin")


def on_disk(folder: Path, data: bytes) -> File:
    (folder / "a.bin").write_bytes(data)
    return File(folder / "a.bin")


def part_of_one(folder: Path, data: bytes) -> File:
    (folder / "a.bin").write_bytes(b"before" + data + b"behind")
    return File.within(OnDisk(str(folder / "a.bin"), 6, len(data)), "a.bin")


everywhere = pytest.mark.parametrize("made", [in_memory, on_disk, part_of_one])


@everywhere
def test_an_open_file_reads_and_seeks(made: Callable[[Path, bytes], File], tmp_path: Path) -> None:
    with made(tmp_path, DATA).open() as file:
        assert file.read(3) == DATA[:3]
        assert file.tell() == 3
        assert file.read() == DATA[3:]
        assert file.read() == b""
        assert file.seek(-5, io.SEEK_END) == len(DATA) - 5
        assert file.read(99) == DATA[-5:]
        file.seek(1000)
        file.seek(24, io.SEEK_CUR)
        assert file.read(2) == DATA[1024:1026]
        file.seek(len(DATA) + 7)
        assert file.read(1) == b""
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)
    assert file.closed


@everywhere
def test_what_others_read_with_takes_it(made: Callable[[Path, bytes], File], tmp_path: Path) -> None:
    with io.TextIOWrapper(made(tmp_path, b"a,b\n1,2\n").open(), newline="") as text:
        assert list(csv.DictReader(text)) == [{"a": "1", "b": "2"}]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.txt", "in it")
    with made(tmp_path, packed.getvalue()).open() as file, zipfile.ZipFile(file) as archive:
        assert archive.read("x.txt") == b"in it"


def test_an_open_part_keeps_its_file(tmp_path: Path) -> None:
    class Owner:
        """Removes the file when nobody holds it any more."""

        def __del__(self) -> None:
            (tmp_path / "a.bin").unlink()

    (tmp_path / "a.bin").write_bytes(b"_abc")
    file = File.within(OnDisk(str(tmp_path / "a.bin"), 1, 3, Owner()), "a.bin").open()
    assert (tmp_path / "a.bin").exists()
    assert file.read() == b"abc"
    file.close()
    del file
    assert not (tmp_path / "a.bin").exists()


def test_what_is_not_there_is_said_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        File(tmp_path / "nothing").open()


def test_a_save_that_fails_leaves_what_was_there_and_no_part(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    (tmp_path / "kept").write_bytes(b"old")
    shrunk = File.within(OnDisk(str(tmp_path / "source"), 0, len(DATA) + 1), "a.bin")
    for target in ("kept", "new"):
        with pytest.raises(OSError, match="has become shorter"):
            shrunk.save(tmp_path / target)
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert {one.name for one in tmp_path.iterdir()} == {"source", "kept"}


def test_a_save_goes_through_links_and_into_pipes(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to("there")
    assert File.of(b"new", "a.bin").save(tmp_path / "link") == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_bytes() == b"new"
    ours, theirs = os.pipe()
    File.of(b"through", "a.bin").save(f"/dev/fd/{theirs}")
    os.close(theirs)
    with open(ours, "rb") as file:
        assert file.read() == b"through"
