"""What a running handler sees of its job, and where its prints go."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from farhand.model.event import Progress
from farhand.worker.context import Context, Stop, capture_prints, current, release_prints


class Port:
    """The call behind a context."""

    def __init__(self, job: str = "j1") -> None:
        self.job = job
        self.attempt = 2
        self.worker_id = "w1"
        self.session_state: dict[str, Any] | None = {"n": 1}
        self.app_state = SimpleNamespace(model="m")
        self.reported: list[Progress] = []
        self.text = ""
        self.cancelled = False

    def report(self, progress: Progress) -> None:
        self.reported.append(progress)

    def console(self, text: str) -> None:
        if self.cancelled:
            raise Stop
        self.text += text

    def is_cancelled(self) -> bool:
        return self.cancelled

    def seconds_left(self) -> float | None:
        return 3.5


@contextmanager
def running(port: Port) -> Iterator[None]:
    """As the executor runs a handler."""
    token = current.set(port)
    try:
        yield
    finally:
        current.reset(token)


@contextmanager
def captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """What reaches the process's own stdout and stderr while prints are captured."""
    before = sys.stdout, sys.stderr
    own = sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    capture_prints()
    try:
        yield own
        release_prints()
        assert (sys.stdout, sys.stderr) == own
    finally:
        sys.stdout, sys.stderr = before


def test_it_tells_what_the_call_knows() -> None:
    port = Port()
    ctx = Context(port)
    assert (ctx.job_id, ctx.attempt, ctx.worker_id, ctx.deadline) == ("j1", 2, "w1", 3.5)
    assert ctx.session == {"n": 1}
    assert ctx.state.model == "m"
    assert not ctx.cancelled
    port.cancelled = True
    assert ctx.cancelled


def test_progress_takes_any_number_and_an_unknown_total() -> None:
    port = Port()
    Context(port).progress(1)
    Context(port).progress(2, 3, "half")
    assert port.reported == [Progress(1.0, None, ""), Progress(2.0, 3.0, "half")]
    with pytest.raises((TypeError, ValueError)):
        Context(port).progress("many")  # type: ignore[arg-type]


def test_prints_go_to_the_job_and_to_the_process() -> None:
    port = Port()
    with captured() as (out, err):
        with running(port):
            print("one", 2)
            print("three", file=sys.stderr)
        print("nobody's")
    assert port.text == "one 2\nthree\n"
    assert (out.getvalue(), err.getvalue()) == ("one 2\nnobody's\n", "three\n")


async def test_each_text_finds_its_own_job_in_threads_and_tasks_at_once() -> None:
    ports = [Port(str(number)) for number in range(20)]
    together = threading.Barrier(10)

    def in_thread(port: Port) -> None:
        with running(port):
            for number in range(50):
                print(port.job, number)
                if not number:
                    together.wait(10)

    async def in_task(port: Port) -> None:
        current.set(port)
        for number in range(50):
            print(port.job, number)
            await asyncio.sleep(0)

    threads = [threading.Thread(target=in_thread, args=(port,)) for port in ports[:10]]
    with captured():
        for thread in threads:
            thread.start()
        await asyncio.gather(*(in_task(port) for port in ports[10:]))
        for thread in threads:
            await asyncio.to_thread(thread.join, 10)
    for port in ports:
        assert port.text == "".join(f"{port.job} {number}\n" for number in range(50))


def test_a_cancelled_thread_is_stopped_by_its_next_print() -> None:
    port = Port()
    port.cancelled = True
    with captured() as (out, _), running(port), pytest.raises(Stop):
        print("never seen")
    assert out.getvalue() == ""


def test_the_stream_that_is_captured_keeps_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    under = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", under)
    capture_prints()
    capture_prints()
    try:
        sys.stdout.buffer.write(b"raw")
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        assert sys.stdout.encoding == "utf-8"
        assert sys.stdout.writable()
        assert not sys.stdout.isatty()
        with pytest.raises(AttributeError):
            getattr(sys.stdout, "nosuchthing")  # noqa: B009
        release_prints()
        assert sys.stdout is not under
    finally:
        release_prints()
    assert sys.stdout is under


def test_the_log_reaches_the_caller_and_the_loggers_above(caplog: pytest.LogCaptureFixture) -> None:
    one, two = Port("1"), Port("2")
    for port in (one, two, one):
        with running(port):
            Context(port).log.warning("%d left", 3)
            Context(port).log.debug("too fine")
    assert (one.text, two.text) == ("warning: 3 left\n" * 2, "warning: 3 left\n")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    Context(one).log.info("outside of any job")
    assert one.text == "warning: 3 left\n" * 2
