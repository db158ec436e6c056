"""What MessagePack takes once it is Python objects: an empty map is one byte there and 72 here.

Nothing else grows so. Texts, numbers, and all of JSON stay under 48 times their size; only containers of next to
nothing get over it, and only where there are many of them. So a large payload is looked at in places taken by chance,
and only where these hold many bytes that may begin a container it is read through, token by token, before it is
decoded.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache

from farhand.errors import TooLarge
from farhand.wire.codecs.base import LEAST_DECODED, Buffer

GROWTH = 48
"""What plain values may take once they are objects: so many times their size, but in any case `LEAST_DECODED`."""
LARGE = LEAST_DECODED // 128
"""Bytes below which nothing gets over `LEAST_DECODED`."""

_PLACES = 128
_PLACE = 1024
"""At how many places so many bytes are looked at: 0.3 ms, whatever the size."""
_SUSPECT = 14 * _PLACES * _PLACE
"""Excess over what is allowed in the places, in bytes. Floats have 9 a byte, whatever is random 13."""
_SMALL_EXCESS, _MAP_EXCESS = 32, 190
_SMALL = bytes((0x80, *range(0x90, 0xA0)))
_MAPS = bytes(range(0x81, 0x90))

# CPython's objects in bytes, as the allocator rounds them.
_POINTER = 8
_LIST, _LIST_ITEMS = 64, 8
_DICT, _DICT_FEW, _DICT_FEW_BY_NAME, _DICT_MORE = 64, 80, 48, 36
_NUMBER, _TEXT = 32, 64
_PLENTY = 15
"""Entries from which on a map is no more than its keys allow, which differ."""

_ALONE, _EMPTY_ONES = frozenset((0xA0, 0xC0, 0xC2, 0xC3)), frozenset((0x80, 0x90))
_SINGLES = re.compile(rb"[\x00-\x7f\xa0\xc0\xc2\xc3]+").match
_EMPTY = re.compile(rb"[\x80\x90]+").match
_NEGATIVE = re.compile(rb"[\xe0-\xff]+").match


def check_growth(data: Buffer) -> None:
    """Whether MessagePack may be decoded. It may still be none: then its decoder says so.

    Raises:
        TooLarge: it would take more than 64 MiB and more than about 48 times its size.
    """
    if len(data) >= LARGE and _is_suspect(memoryview(data)):
        _read_through(memoryview(data))


def _is_suspect(data: memoryview) -> bool:
    excess = 0
    for _ in range(_PLACES):
        at = random.randrange(len(data) - _PLACE)
        place = bytes(data[at : at + _PLACE])
        excess += _SMALL_EXCESS * (_PLACE - len(place.translate(None, _SMALL)))
        excess += _MAP_EXCESS * (_PLACE - len(place.translate(None, _MAPS)))
    return excess > _SUSPECT


def _read_through(data: memoryview) -> None:
    at, taken, end, name = 0, 0, len(data), b""
    rest = _rest()
    while at < end:
        lead, begin = data[at], at
        if lead < 0x80 or lead in _ALONE:
            at = _end(_SINGLES, data, at)
            taken += _POINTER * (at - begin)
        elif lead in _EMPTY_ONES:
            at = _end(_EMPTY, data, at)
            taken += (_POINTER + _LIST) * (at - begin)
        elif lead < 0x90 or 0xDE <= lead < 0xE0:
            count, at = (lead & 15, at + 1) if lead < 0x90 else (_PLENTY + 1, at + 3 + 2 * (lead & 1))
            key = bytes(data[at : at + 1 + (data[at] & 31)]) if at < end and 0xA0 < data[at] < 0xC0 else b""
            taken += _POINTER + _DICT + _table(count, bool(key))
            at += len(key) if key == name else 0  # a name that comes again is not made again
            name = key
        elif lead < 0xA0 or 0xDC <= lead < 0xDE:
            at += 1 if lead < 0xA0 else 3 + 2 * (lead & 1)
            taken += _POINTER + _LIST + _LIST_ITEMS
        elif lead < 0xC0:
            at += 1 + (lead & 31)
            taken += _POINTER + (_TEXT + 2 * (lead & 31) if lead > 0xA1 else 0)
        elif lead >= 0xE0:
            at = _end(_NEGATIVE, data, at)
            taken += (_POINTER + _NUMBER) * (at - begin)
        elif lead in rest:
            head, digits, cost = rest[lead]
            size = int.from_bytes(data[at + 1 : at + 1 + digits], "big") if digits else 0
            at += head + size
            taken += _POINTER + cost + 2 * size
        else:
            return  # 0xC1 is no MessagePack
        if taken > LEAST_DECODED and taken > GROWTH * at:
            raise TooLarge(
                f"a payload of {end:,} bytes holds so many lists and mappings of next to nothing that it would take "
                f"far more memory than its size allows ({GROWTH} times): send them as columns, or in parts",
                limit=max(LEAST_DECODED, GROWTH * end),
            )


def _end(run: Callable[[memoryview, int], re.Match[bytes] | None], data: memoryview, at: int) -> int:
    """Where a run that begins here ends."""
    match = run(data, at)
    return at + 1 if match is None else match.end()


def _table(count: int, by_name: bool) -> int:
    """What the table of a mapping takes beside the pointers of what is in it."""
    if count <= 5:
        return (_DICT_FEW_BY_NAME if by_name else _DICT_FEW) + 2 * _POINTER * (5 - count)
    return _DICT_MORE * min(count, _PLENTY) if count <= _PLENTY else 0


@cache
def _rest() -> dict[int, tuple[int, int, int]]:
    """Numbers, long texts, bytes and exts by their first byte: bytes of the head (or of all), digits of the size that
    is behind the first, and what the object takes."""
    found = {0xCA: (5, 0, _NUMBER), 0xCB: (9, 0, _NUMBER), 0xCC: (2, 0, 0), 0xD0: (2, 0, _NUMBER)}
    found |= {lead: (1 + 2 ** (lead & 3), 0, _NUMBER) for lead in (0xCD, 0xCE, 0xCF, 0xD1, 0xD2, 0xD3)}
    found |= {0xD4 + power: (2 + 2**power, 0, _TEXT) for power in range(5)}
    for power in range(3):
        found[0xC4 + power] = found[0xD9 + power] = (1 + 2**power, 2**power, _TEXT)
        found[0xC7 + power] = (2 + 2**power, 2**power, _TEXT)
    return found
