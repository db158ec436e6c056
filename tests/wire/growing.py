"""MessagePack of next to nothing, which would take many times its size as objects: `python -m tests.wire.growing NAME`
reads one such payload, and prints what was said, the seconds it took, and by how many MiB the process grew."""

from __future__ import annotations

import random
import resource
import struct
import sys
import time

from farhand.errors import FarhandError
from farhand.model.payload import Media, Payload
from farhand.wire.values import from_payload

MIB = 1024 * 1024
SIZE = 8 * MIB


def many(item: bytes, size: int = SIZE, items: int = 1) -> bytes:
    """An array of `item`, which is so many, again and again."""
    count = size // len(item)
    return b"\xdd" + (count * items).to_bytes(4, "big") + item * count


BOMBS = {
    "empty maps": many(b"\x80"),
    "empty lists": many(b"\x90"),
    "maps of nil": many(b"\x81\xc0\xc0"),
    "maps of numbers": many(b"\x81\xec\xed"),
    "maps of maps": many(b"\x81\xec\x80"),
    "lists of lists": many(b"\x91\x90"),
    "lists of numbers": many(b"\x91\xec"),
    "keys that are lists": many(b"\x81\x91\x01\xc0"),
    "maps in maps": many(b"\x81\xec" * 60 + b"\xc0"),
    "lists in lists": many(b"\x91" * 60 + b"\x90"),
    "behind what looks like text": many(b"\xc3\x81\xc3\xc3", items=2),
    "with some texts": many(b"\x80" * 20 + b"\xa5abcde", items=21),
    "behind bytes": b"\x92\xc6" + MIB.to_bytes(4, "big") + bytes(MIB) + many(b"\x81\xec\x80", 4 * MIB),
    "large maps of them": b"\xdf" + (SIZE // 4).to_bytes(4, "big") + b"\xcc\xff\x81\xec\x90"[1:] * (SIZE // 4),
}


def payloads(body: bytes) -> dict[str, Payload]:
    """The bytes by themselves, and in a bundle."""
    head = struct.pack("<IIQII", 1, 1, len(body), int(Media.MSGPACK), 0)
    return {
        "alone": Payload(body, Media.MSGPACK),
        "in a bundle": Payload(head + bytes(-len(head) % 64) + body, Media.BUNDLE),
    }


def peak() -> int:
    """The most that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(name: str, form: str) -> None:
    """Read one."""
    random.seed(1)
    payload = payloads(BOMBS[name])[form]
    before, began = peak(), time.process_time()
    try:
        from_payload(payload)
        said = "NOTHING"
    except FarhandError as error:
        said = error.code
    print(said, time.process_time() - began, (peak() - before) / 2**20)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
