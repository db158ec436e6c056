"""Blobs: bytes kept under an id, what may name one, and how its checksum is written."""

from __future__ import annotations

import re
from struct import Struct

import msgspec

from farhand.errors import DataDamaged, InvalidArguments

ID_LIMIT = 128
CHECKSUM = "xxh3:"
"""Before the hexadecimal digits of a checksum, which is XXH3-128 over all bytes."""

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_CHECKSUM = re.compile(r"xxh3:[0-9a-f]{32}")


def check_id(id: str) -> str:
    """`id`, if it may name a blob or a ref: it can be a file's name anywhere, also where A and a are one.

    Raises:
        InvalidArguments: it is empty, longer than 128 characters, or holds anything but a to z, 0 to 9, ``_`` and
            ``-``.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise InvalidArguments(
            f"{_cut(id)} can't name a blob: its id must be 1 to {ID_LIMIT} of a to z, 0 to 9, _ or -, and begin with a "
            "letter or a digit",
            problems=[{"path": "id", "message": "not a valid id"}],
        )
    return id


def check_checksum(checksum: str) -> str:
    """`checksum`, if it is ``xxh3:`` and 32 lower hexadecimal digits, or empty for one that isn't known.

    Raises:
        InvalidArguments: it is something else.
    """
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise InvalidArguments(
            f"{_cut(checksum)} is no checksum: it must be {CHECKSUM} and 32 hexadecimal digits, or empty",
            problems=[{"path": "checksum", "message": "not a valid checksum"}],
        )
    return checksum


class Blob(msgspec.Struct, frozen=True):
    """A kept blob. `size` is in bytes, `time` when it was kept, in seconds since 1970; `checksum` as in
    `check_checksum`, empty in listings."""

    id: str
    size: int
    checksum: str
    time: float


class Usage(msgspec.Struct, frozen=True):
    """How many `blobs` are kept, their `size` together, and how many bytes are `free` beside them; None: no bound is
    known."""

    blobs: int
    size: int
    free: int | None = None


_SEAL = Struct(">8sQ16s")
_MARK = b"farhand1"
SEAL_SIZE = _SEAL.size


def seal(size: int, checksum: str) -> bytes:
    """What an engine writes behind the bytes of a blob, 32 bytes: how many there are, and their checksum. Where it is
    missing, the blob isn't whole."""
    return _SEAL.pack(_MARK, size, bytes.fromhex(checksum.removeprefix(CHECKSUM)))


def unsealed(id: str, kept: int, end: bytes) -> tuple[int, str]:
    """The size and checksum that are told by the `end` of the `kept` bytes of a blob, seal included.

    Raises:
        DataDamaged: there is no seal, or it is of another number of bytes.
    """
    if len(end) == SEAL_SIZE:
        mark, size, digest = _SEAL.unpack(end)
        if mark == _MARK and size == kept - SEAL_SIZE:
            return size, CHECKSUM + digest.hex()
    raise damaged(id, "it was cut or overwritten")


def damaged(id: str, why: str) -> DataDamaged:
    """What is said of a blob that is not what was put in."""
    return DataDamaged(f"blob {id} is damaged: {why}. Fetch it again; if it stays so, run the job again")


def check_whole(id: str, meant: tuple[int, str], found: tuple[int, str]) -> None:
    """Whether the size and checksum that were `found` are those that were `meant`, as far as these are known (-1 and
    empty: not).

    Raises:
        DataDamaged: they are not.
    """
    if meant[0] not in (-1, found[0]):
        raise damaged(id, f"it has {found[0]:,} bytes in place of {meant[0]:,}")
    if check_checksum(meant[1]) not in ("", found[1]):
        raise damaged(id, "its checksum is another one")


def taken(id: str) -> InvalidArguments:
    """What is said to whoever commits other bytes under an id that is there."""
    return InvalidArguments(
        f"blob {id} is there already, with other bytes, and a blob never changes: use a new id",
        problems=[{"path": "id", "message": "taken"}],
    )


def check_span(blob: Blob, offset: int, length: int | None) -> range:
    """The places of the bytes that are read, none behind the end.

    Raises:
        InvalidArguments: the offset is behind the end, or one of them is negative.
    """
    if not 0 <= offset <= blob.size or (length is not None and length < 0):
        raise InvalidArguments(
            f"blob {blob.id} has {blob.size:,} bytes: it can't be read from {offset:,}, {length} bytes",
            problems=[{"path": "offset", "message": f"not within 0 to {blob.size}"}],
        )
    return range(offset, blob.size if length is None else min(blob.size, offset + length))


def _cut(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:60] + "…"
