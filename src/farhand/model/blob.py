"""Blobs: bytes kept under an id, what may name one, and how its checksum is written."""

from __future__ import annotations

import re

import msgspec

from farhand.errors import InvalidArguments

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


def _cut(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:60] + "…"
