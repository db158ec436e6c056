"""Writes blobs and is killed, again and again: ``python -m tests.engines.dying_writer FOLDER LOG FIRST LAST``.

For each number in between, a child writes four blobs and is killed (SIGKILL) in the middle of its n-th system call;
one that was to be killed later than its last call ends by itself. Each id that was committed is a line in LOG.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farhand.engines.files.blobs import FilesBlobs
from farhand.testing.conformance.blobs import put, some_bytes

CALLS = ("open", "write", "fsync", "rename", "mkdir", "unlink", "close")
SIZES = (0, 70_000, 300_000, 1_000_000)


def content(id: str) -> bytes:
    """The bytes of the blob of this id."""
    _, _, size = id.split("-")
    return some_bytes(int(size), sum(id.encode()))


def arm(number: int) -> None:
    """Let the n-th system call from now on be the last one, half done if it is a write."""
    count = 0

    def dying(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if name == "write":
                    call(given[0], given[1][: len(given[1]) // 2])
                elif random.Random(number).random() < 0.5:
                    call(*given, **more)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **more)

        return step

    for name in CALLS:
        setattr(os, name, dying(name, getattr(os, name)))


async def write(folder: Path, number: int, log: int) -> None:
    """Write four blobs, and tell of each that was committed."""
    blobs = FilesBlobs(folder)
    say = os.write
    arm(number)
    for size in SIZES:
        id = f"n{number}-x-{size}"
        await put(blobs, id, content(id), 65_536)
        say(log, f"{id}\n".encode())
    await blobs.close()


def main() -> None:
    """Go on after each death."""
    folder, log, first, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(first, last):
        pid = os.fork()
        if not pid:
            asyncio.run(write(folder, number, told))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
