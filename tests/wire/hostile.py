"""Altered payloads against the readers, in a process of its own whose memory is limited: `python -m tests.wire.hostile
CORPUS SEED CASES`. It prints how many cases ran and how many were read all the same; a case that raises anything else
than `InvalidArguments`, or takes long, ends it with an error."""

from __future__ import annotations

import faulthandler
import random
import resource
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute  # loaded before the memory is limited

from farhand.errors import InvalidArguments
from farhand.model.payload import Media, Payload
from farhand.wire.codecs.files import File
from farhand.wire.farhand._pb import common_pb2
from farhand.wire.values import from_payload, to_payload

MORE_MEMORY = 768 * 1024 * 1024
LONGEST = 5.0
"""Seconds of this process's own time for one case."""


def compressed(codec: str) -> Payload:
    """A table whose buffers are compressed, as others may send it."""
    sink = pa.BufferOutputStream()
    table = pa.table({"n": np.zeros(5_000), "s": ["x" * 50] * 5_000})
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    return Payload(sink.getvalue().to_pybytes(), Media.ARROW)


def plain() -> list[Payload]:
    """JSON, MessagePack, messages, files and bundles of small arrays."""
    values: list[Any] = [
        {"a": [1, 2.5, None, "täxt", b"\x00\xff"], "b": {"c": [[[]]] * 3}},
        [{"id": n, "name": "n" * n} for n in range(9)],
        common_pb2.Fault(code="X", message="m", details=b"\x00"),
        File.of(b"data" * 10, "a b.csv"),
        {"x": np.arange(5.0), "m": common_pb2.Progress(current=1), "f": File.of(b"f", "f")},
    ]
    return [*map(to_payload, values), to_payload(values[1], Media.JSON), Payload(b"\x81\xa1a\xc7\x05\x01abcde", 2)]


def arrays() -> list[Payload]:
    """Arrays of each kind of dtype."""
    found: list[Any] = [
        np.arange(12.0).reshape(3, 4).T,
        np.array([True, False]),
        np.array(["ab", "c"]),
        np.array([1 + 2j]),
        np.array(["2020-01-01"], "M8[ns]"),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.zeros((0, 3)),
    ]
    return [to_payload(one) for one in found]


def tables() -> list[Payload]:
    """Tables of all libraries, with nested, shared and compressed columns."""
    enums = pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"]))
    names = pd.Series(["a", "b", "a"], dtype="category")
    views = pa.array(["a long text that lies outside"] * 4).cast(pa.string_view())
    return [
        to_payload(pd.DataFrame({"a": [1, 2, 3], "s": ["x", None, "y"], "c": names}, index=["p", "q", "r"])),
        to_payload(pd.Series(pd.date_range("2020", periods=3, tz="UTC"), name="t")),
        to_payload(pl.DataFrame({"l": [[1], [2, 3]], "s": [{"x": "y"}, None], "e": enums})),
        to_payload(pl.Series("n", ["x", None])),
        to_payload(pa.table({"m": pa.array([{"k": 1}], pa.map_(pa.string(), pa.int64())), "n": pa.nulls(1)})),
        to_payload(pa.table({"v": views, "d": pa.array(["x", "y", "x", "x"]).dictionary_encode()})),
        compressed("lz4"),
        compressed("zstd"),
    ]


CORPORA: dict[str, Callable[[], list[Payload]]] = {"plain": plain, "arrays": arrays, "tables": tables}
EXTREME = (0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
ODD_BYTES = (0, 1, 0x7F, 0x80, 0x90, 0xC0, 0xDD, 0xFF)

Change = tuple[str, int, int]


def changes(by: random.Random) -> list[Change]:
    """One to four changes by chance."""
    kinds: list[Callable[[], Change]] = [
        lambda: ("byte", by.randrange(4096), by.choice((by.randrange(256), by.choice(ODD_BYTES)))),
        lambda: ("int32", by.randrange(1024), by.choice(EXTREME)),
        lambda: ("int64", by.randrange(512), by.choice(EXTREME)),
        lambda: ("cut", by.randrange(4096), 0),
        lambda: ("media", by.randrange(13), 0),
        lambda: ("double", by.randrange(4096), by.randrange(1, 65)),
    ]
    return [by.choice(kinds)() for _ in range(by.randint(1, 4))]


def altered(payload: Payload, changes: list[Change]) -> Payload:
    """A payload with the changes made."""
    data, media = bytearray(payload.data), payload.media
    for kind, at, what in changes:
        place = at % max(1, len(data))
        if kind == "byte" and data:
            data[place] = what
        elif kind in ("int32", "int64"):
            size = 4 if kind == "int32" else 8
            data[at * 4 : at * 4 + size] = struct.pack("<q", what)[:size] if at * 4 + size <= len(data) else b""
        elif kind == "cut":
            del data[place:]
        elif kind == "media":
            media = at
        elif kind == "double":
            data[place:place] = data[place : place + what]
    return Payload(bytes(data), media)


def limit_memory() -> None:
    """Allow this process so much more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(corpus: str, number: int, cases: int) -> None:
    """Run so many cases, the same ones for the same number."""
    payloads = CORPORA[corpus]()
    for payload in payloads:
        try:
            from_payload(payload)  # whatever it loads is loaded now
        except InvalidArguments:
            assert payload.data[:1] == b"\x81"  # the one with an ext of nobody's
    read, by = 0, random.Random(number)
    limit_memory()
    for case in range(cases):
        index, made = by.randrange(len(payloads)), changes(by)
        began = time.process_time()
        try:
            from_payload(altered(payloads[index], made))
            read += 1
        except InvalidArguments:
            pass
        except BaseException:
            print(f"case {case}: payload {index} with {made}", file=sys.stderr)
            raise
        took = time.process_time() - began
        assert took < LONGEST, f"case {case}: payload {index} with {made} took {took:.1f} s"
    print(cases, read)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(40, exit=True)  # what hangs is shown
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
