"""The demo as a real process: what it shows, how long it takes, and how it is interrupted."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from farhand.cli import output
from farhand.cli.demo.show import _Page
from tests.cli.processes import at_terminal, is_gone, line_with, started, until

PARTS = ("1  run", "2  stream", "3  session", "4  map", "5  cancel")


def children_of(pid: int) -> list[int]:
    """The processes that it started."""
    known = Path(f"/proc/{pid}/task/{pid}/children")
    if known.exists():
        return [int(one) for one in known.read_text().split()]
    table = subprocess.run(("ps", "-A", "-o", "pid=,ppid="), capture_output=True, text=True, check=True).stdout
    return [int(one) for one, parent in map(str.split, table.splitlines()) if int(parent) == pid]


def test_it_shows_its_five_parts_with_measured_figures_on_a_narrow_terminal_too() -> None:
    began = time.monotonic()
    status, lines = at_terminal(40, "demo", FARHAND_GROUP="elsewhere", FARHAND_PROCESSES="3", FARHAND_SLOTS="1")
    took = time.monotonic() - began
    assert status == 0
    assert max(map(len, lines)) <= 40
    assert all(part in lines for part in PARTS)
    # No line begins in the middle of what the one before it said: further lines stand two columns in.
    assert all(re.match(r"(?:  (?:  )?)?\S", line) for line in lines if line)
    text = " ".join(map(str.strip, lines))
    assert "receipt: stopped — 'count_slowly' was cancelled: the handler stopped" in text
    told = re.search(r"done in ([\d.]+) s; nothing is left running", text)
    assert told is not None
    assert 0 < float(told[1]) <= took
    rate = re.search(r"10,000 calls in ([\d.]+) s: ([\d,]+) a second \(sum 50,005,000\)", text)
    assert rate is not None
    assert float(rate[2].replace(",", "")) == pytest.approx(10_000 / float(rate[1]), rel=0.05)


def test_a_wide_terminal_has_titles_beside_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=80)
    monkeypatch.setattr(output, "stdout", console)
    page = _Page(80)
    page.head("run", "1", "add(a=1) → [1] " + "and more " * 10)
    page.line("further")
    assert isinstance(console.file, io.StringIO)
    first, second, third = console.file.getvalue().splitlines()
    assert first.startswith("1  run       add(a=1) → [1] and more")
    assert second.startswith(" " * 15 + "more and more")
    assert third == " " * 13 + "further"


def test_ctrl_c_ends_it_at_once_without_a_traceback_or_a_process_left() -> None:
    with started("demo", stderr=subprocess.PIPE) as process:
        line_with(process.stdout, "1  run")
        workers = children_of(process.pid)
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)
    assert (process.returncode, errors) == (130, "")
    until(lambda: all(is_gone(pid) for pid in workers))


def test_killed_outright_it_leaves_no_process() -> None:
    with started("demo") as process:
        line_with(process.stdout, "1  run")
        workers = children_of(process.pid)
        process.kill()
        process.communicate(timeout=10)
    until(lambda: all(is_gone(pid) for pid in workers))
