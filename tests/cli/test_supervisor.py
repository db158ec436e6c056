"""A pool of worker processes: real ones, which crash, are killed and end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farhand import Client
from farhand.cli.supervisor import how_it_ended
from tests.cli.processes import is_gone, serving, started, until


@pytest.fixture(scope="module")
def empty() -> Iterator[str]:
    """A hub without workers of its own."""
    with serving("hub", "--grpc", "127.0.0.1:0") as (_, address):
        yield address


@contextlib.contextmanager
def pool(hub: str, *flags: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[], dict[str, int]]]]:
    """Two workers under one process: that process, and who is connected, by id."""
    arguments = ("worker", "examples/quickstart.py", "--hub", hub, "--processes", "2", "--grace", "2", *flags)
    with Client(hub) as client:

        def connected() -> dict[str, int]:
            return {view.info.id: view.info.pid for view in client.workers()}

        until(lambda: not connected())
        with started(*arguments) as process:
            threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
            until(lambda: len(connected()) == 2)
            yield process, connected


def test_sigterm_ends_all_of_them(empty: str) -> None:
    with pool(empty, "--id", "w", "--label", "gpu=a100") as (process, connected):
        pids = connected()
        assert sorted(pids) == ["w-1", "w-2"]
        with Client(empty) as client:
            assert all(view.info.labels == {"gpu": "a100"} for view in client.workers())
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert all(is_gone(pid) for pid in pids.values())
        assert connected() == {}


def test_one_that_is_killed_comes_back_and_the_other_stays(empty: str) -> None:
    with pool(empty, "--id", "k") as (_, connected):
        before = connected()
        os.kill(before["k-1"], signal.SIGKILL)
        until(lambda: connected().get("k-1") not in (None, before["k-1"]))
        assert connected()["k-2"] == before["k-2"]


def test_they_end_when_the_process_above_them_is_killed(empty: str) -> None:
    with pool(empty) as (process, connected):
        pids = connected()
        process.kill()
        process.wait(10)
        until(lambda: all(is_gone(pid) for pid in pids.values()))


def test_one_that_crashes_over_and_over_is_held_back_and_told(tmp_path: Path) -> None:
    (tmp_path / "crashing.py").write_text("print('trying', flush=True)\n1 / 0\n")
    arguments = ("worker", "crashing.py", "--processes", "2")
    with started(*arguments, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
        assert process.stderr is not None
        delays: list[float] = []
        while len(delays) < 6:
            line = process.stderr.readline()
            if "a worker process ended with status 1; it starts again in" in line:
                delays.append(float(line.partition("again in ")[2].split()[0]))
        process.send_signal(signal.SIGTERM)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        assert process.wait(15) == 0
    assert all(0.2 <= delay <= 30 for delay in delays)
    assert max(delays[:2]) <= 0.4


def test_one_that_is_refused_for_its_arguments_is_not_tried_again(tmp_path: Path) -> None:
    with started("worker", "nosuch.py", "--processes", "2", cwd=tmp_path, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "there is no file nosuch.py" in errors
    assert "again" not in errors


def test_a_second_signal_kills_a_worker_that_does_not_end(empty: str, tmp_path: Path) -> None:
    app = tmp_path / "busy.py"
    app.write_text(
        "import time, farhand\napp = farhand.App()\n@app.handler\ndef busy(ctx: farhand.Context):\n"
        "    yield 1\n    time.sleep(60)\n"
    )
    arguments = ("worker", str(app), "--hub", empty, "--processes", "2", "--grace", "60", "--group", "busy")
    with Client(empty) as client, started(*arguments) as process:
        threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
        until(lambda: len(client.workers("busy")) == 2)
        pids = [view.info.pid for view in client.workers("busy")]
        stream = client.stream("busy", group="busy")
        assert next(stream) == 1
        process.send_signal(signal.SIGTERM)
        until(lambda: {view.state.value for view in client.workers("busy")} == {"draining"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 128 + signal.SIGTERM
        assert all(is_gone(pid) for pid in pids)
        stream.close()


def test_exit_statuses_in_words() -> None:
    assert how_it_ended(3) == "ended with status 3"
    assert how_it_ended(-9) == "was ended by SIGKILL"
    assert how_it_ended(-99) == "was ended by signal 99"
