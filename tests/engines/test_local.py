"""Local threads and processes, with real ones."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import pytest

from farhand.engines.local.processes import LocalChild, LocalProcesses
from farhand.engines.local.threads import LocalThreads

ECHO = """
import socket, sys
end = socket.socket(fileno=int(sys.argv[1])).makefile("rwb")
while size := end.read(4):
    frame = end.read(int.from_bytes(size, "big"))
    end.write(size + frame[::-1])
    end.flush()
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module for a child: it gives frames back reversed, and at the end of the stream exits with its argument."""
    (tmp_path / "echoing_child.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "echoing_child"


def named(prefix: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]


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


def test_an_idle_thread_is_kept_for_the_next_work_and_ends_at_the_close() -> None:
    threads, seen = LocalThreads("kept"), SimpleQueue[threading.Thread]()
    for _ in range(20):
        threads.run(lambda: seen.put(threading.current_thread()))
        used = seen.get(timeout=10)
        while threads._idle == 0:  # until it is back
            time.sleep(0.001)
    assert named("kept") == [used]
    assert used.daemon
    threads.close()
    used.join(10)
    assert named("kept") == []


def test_as_much_runs_at_once_as_is_asked_for() -> None:
    threads, together = LocalThreads("many"), threading.Barrier(30)
    done = SimpleQueue[int]()

    def work() -> None:
        done.put(together.wait(10))

    for _ in range(29):
        threads.run(work)
    together.wait(10)
    assert len({done.get(timeout=10) for _ in range(29)}) == 29
    threads.close()


async def test_frames_of_any_size_go_both_ways_and_the_child_ends_at_the_end(module: str) -> None:
    child = await LocalProcesses().spawn(module, ["3"])
    async with asyncio.timeout(20):
        for frame in (b"", b"abc", bytes(range(256)) * 8192):
            await child.send(frame)
            assert await child.receive() == frame[::-1]
        assert await child.wait() == 3
        assert await child.receive() is None


async def test_a_killed_child_says_which_signal_ended_it_and_takes_frames_in_silence(module: str) -> None:
    child = await LocalProcesses().spawn(module, ["0"])
    child.kill()
    async with asyncio.timeout(10):
        assert await child.receive() is None
        assert await child.wait() == -signal.SIGKILL
        for _ in range(3):
            await child.send(b"x" * 1_000_000)
    child.kill()
    assert await child.wait() == -signal.SIGKILL


async def test_a_child_inherits_its_own_end_only(module: str) -> None:
    children: list[LocalChild] = [await LocalProcesses().spawn(module, ["0"]) for _ in range(3)]
    async with asyncio.timeout(20):
        assert await children[0].wait() == 0  # it sees the end of its stream though the later ones were started
        await children[1].send(b"ab")
        assert await children[1].receive() == b"ba"
        for child in children[1:]:
            assert await child.wait() == 0


async def test_a_command_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="/nowhere/python"):
        await LocalProcesses().spawn("timeit", [])
