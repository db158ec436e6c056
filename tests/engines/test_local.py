"""Local threads and processes, with real ones."""

from __future__ import annotations

import asyncio
import signal
import threading
from queue import SimpleQueue

from farhand.engines.local.processes import LocalProcesses
from farhand.engines.local.threads import LocalThreads


def test_work_that_blocks_does_not_hold_up_other_work() -> None:
    threads, release, done = LocalThreads(), threading.Event(), SimpleQueue[str]()

    def slow() -> None:
        release.wait()
        done.put("slow")

    threads.run(slow)
    threads.run(lambda: done.put("fast"))
    assert done.get(timeout=10) == "fast"
    release.set()
    assert done.get(timeout=10) == "slow"
    threads.close()


async def test_a_killed_child_says_which_signal_ended_it() -> None:
    child = await LocalProcesses().spawn("timeit", ["import time; time.sleep(60)"])
    child.kill()
    async with asyncio.timeout(10):
        assert await child.receive() is None
        assert await child.wait() == -signal.SIGKILL
