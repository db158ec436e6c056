"""`job.progress()`: on a terminal, in a notebook's kernel, in a pipe; and left in the middle."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel
from rich.console import Console

from farhand import AsyncClient, Client
from farhand.client.progress import Display, NotebookBoard, PlainBoard, View, ticking
from farhand.errors import HandlerFailed, JobNotFound
from farhand.model.durable import Entry
from farhand.model.event import Event, Fault, Kind, Progress
from farhand.model.payload import NOTHING
from farhand.wire.values import to_payload
from tests.cli.processes import farhand, served

APP = """
import asyncio
import farhand

app = farhand.App()


@app.handler
async def steps(ctx: farhand.Context, n: int, hold: bool = False):
    for number in range(n):
        print("\\x1b[31mstep\\x1b[0m <b>", number)
        ctx.progress(number + 1, n, f"epoch {number}")
        yield number
    if hold:
        await asyncio.Event().wait()


@app.handler
def fail(text: str) -> None:
    raise ValueError(text)
"""

FOLLOW = """
import sys, farhand
with farhand.Client(sys.argv[1]) as hub:
    job = hub.submit("steps", {"n": 3, "hold": sys.argv[2] == "hold"})
    print(job.id, flush=True)
    print("result", job.progress())
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("progress") / "work.py"
    file.write_text(APP)
    with served(str(file)) as address:
        yield address


def follow(address: str, how: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen((sys.executable, "-c", FOLLOW, address, how), stdout=subprocess.PIPE, text=True, **more)


def test_lines_go_to_a_pipe(address: str) -> None:
    with follow(address, "end", stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=30)
    assert out.splitlines()[1:] == ["result [0, 1, 2]"]
    lines = err.splitlines()
    assert [line for line in lines if line.startswith("step")] == [f"step <b> {n}" for n in range(3)]
    assert re.fullmatch(r"0:00:0\d  steps · succeeded · 100% \(3/3\) · epoch 2", lines[-1])
    assert "\x1b" not in err


def test_a_terminal_has_a_bar_below_what_is_printed(address: str) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    environment = {**os.environ, "TERM": "xterm-256color"}
    with follow(address, "end", stderr=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(ours, 65536):
                text += data
        os.close(ours)
        assert process.stdout is not None
        assert "result [0, 1, 2]" in process.stdout.read()
    shown = text.decode()
    assert "━" in shown
    assert "\x1b[31mstep\x1b[0m <b> 2" in shown
    assert "steps · succeeded · 100% (3/3)" in shown.rstrip().splitlines()[-1]


def test_ctrl_c_leaves_the_job_running_and_says_how_to_follow_it(address: str) -> None:
    with follow(address, "hold", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        id = process.stdout.readline().strip()
        while "epoch 2" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    hint = re.search(r"runs on; follow it: farhand (watch \S+ --from (\d+) --hub \S+)", rest)
    assert hint is not None, rest
    assert "KeyboardInterrupt" in rest
    with Client(address) as hub:
        job = hub.job(id)
        assert job.status() == "running"
        assert job.info().entries == int(hint[2])
        assert job.cancel().outcome == "stopped"
    (end,) = farhand(*hint[1].split()).stdout.splitlines()
    assert '"kind":"cancelled"' in end


async def test_the_async_client_has_it_too(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with AsyncClient(address) as client:
        assert await (await client.submit("steps", {"n": 2})).progress() == [0, 1]
        with pytest.raises(HandlerFailed, match="oh no"):
            await (await client.submit("fail", {"text": "oh no"})).progress()
        with pytest.raises(JobNotFound):
            await client.job("nobody").progress()
    err = capsys.readouterr().err
    assert "steps · succeeded" in err
    assert "fail · failed" in err


def test_watch_says_how_to_go_on(address: str) -> None:
    with Client(address) as hub:
        job = hub.submit("steps", {"n": 1, "hold": True})
        command = (sys.executable, "-m", "farhand", "watch", job.id, "--hub", address)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while '"chunk"' not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert f"farhand watch {job.id} --from {job.info().entries} --hub {address}" in err
        job.cancel()


# -- a notebook ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real kernel, as a notebook has."""
    manager, client = start_new_kernel(startup_timeout=50, cwd=str(tmp_path_factory.mktemp("kernel")))
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def cell(kernel: Any, code: str) -> list[dict[str, Any]]:
    """What a cell shows: the messages of its run; its error is raised."""
    shown: list[dict[str, Any]] = []

    def take(message: dict[str, Any]) -> None:
        if message["msg_type"] not in ("status", "execute_input"):
            shown.append({"type": message["msg_type"], **message["content"]})

    try:
        reply = kernel.execute_interactive(code, timeout=40, output_hook=take)
    except Empty:
        raise AssertionError(f"the cell did not end: {shown}") from None
    assert reply["content"]["status"] == "ok", reply["content"]
    return shown


@pytest.mark.parametrize(
    "code",
    [
        "import farhand\nhub = farhand.Client({!r})\nhub.submit('steps', {{'n': 3}}).progress()",
        "import farhand\nhub = farhand.AsyncClient({!r})\nawait (await hub.submit('steps', {{'n': 3}})).progress()",
    ],
)
def test_a_notebooks_cell_has_a_bar_that_moves(kernel: Any, address: str, code: str) -> None:
    shown = cell(kernel, code.format(address))
    assert [one["type"] for one in shown if one["type"] not in ("display_data", "update_display_data")] == [
        "execute_result"
    ]
    assert shown[-1]["data"]["text/plain"] == "[0, 1, 2]"
    places = {one["transient"]["display_id"] for one in shown[:-1]}
    assert len(places) == 1  # one place, replaced
    assert shown[0]["type"] == "display_data"
    last = shown[-2]["data"]
    assert "<pre>step &lt;b&gt; 0\nstep &lt;b&gt; 1\nstep &lt;b&gt; 2</pre>" in last["text/html"]
    assert "steps · succeeded · 100% (3/3) · epoch 2" in last["text/html"]
    assert any("<progress max=1" in one["data"].get("text/html", "") for one in shown[:-1])


# -- what is drawn ---------------------------------------------------------------------------------------------------


def entry(offset: int, event: Event, at: float = 1.0) -> Entry:
    return Entry(offset, at, event)


def told(*events: Event) -> tuple[Display, str]:
    """A display that was told these, and what it wrote."""
    text = io.StringIO()
    with Display(View("j", "f"), PlainBoard(Console(file=text, width=200))) as display:
        for offset, event in enumerate(events):
            display.take(entry(offset, event))
    return display, text.getvalue()


def test_only_the_last_attempts_chunks_are_the_result() -> None:
    chunk = Event(Kind.CHUNK, to_payload(1))
    started, done = Event(Kind.STARTED, worker="w"), Event(Kind.SUCCEEDED, NOTHING)
    display, text = told(started, chunk, chunk, started, chunk, done)
    assert display.result() == [1]
    assert "f · succeeded · attempt 2" in text
    assert told(started, done)[0].result() == []
    assert told(started, Event(Kind.SUCCEEDED, to_payload(None)))[0].result() is None
    with pytest.raises(HandlerFailed):
        told(Event(Kind.FAILED, fault=Fault("HANDLER_FAILED", "no")))[0].result()


def test_hostile_text_moves_no_cursor_and_is_no_html() -> None:
    nasty = "\x1b]0;title\x07\x1b[2J\x1b[1;1H<script>alert(1)</script>\r\x08ok\nhalf"
    _, text = told(Event(Kind.CONSOLE, text=nasty), Event(Kind.PROGRESS, progress=Progress(1, 2, nasty)))
    assert "\x1b" not in text
    assert "\x08" not in text
    assert "half" in text
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, data: dict[str, str], raw: bool) -> None:
            shown.append(data)

    board = NotebookBoard(lambda *args, **kwargs: Handle())
    with Display(View("j", "<i>"), board) as display:
        display.take(entry(0, Event(Kind.CONSOLE, text="<script>1</script>\n")))
        display.take(entry(1, Event(Kind.PROGRESS, progress=Progress(1, 2, "<script>2</script>"))))
    for data in shown:
        assert "<script" not in data["text/html"]
        assert "<i>" not in data["text/html"]


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(1, 4, "go"), "f · running · 25% (1/4) · go"),
        (Progress(3), "f · running · 3"),
        (Progress(9, 4), "f · running · 100% (9/4)"),
        (Progress(-1, 4), "f · running · 0% (-1/4)"),
        (Progress(1, 0), "f · running · 1/0"),
        (Progress(float("nan"), float("nan")), "f · running · nan/nan"),
    ],
)
def test_any_progress_is_a_line(progress: Progress, said: str) -> None:
    view = View("j", "f")
    view.take(entry(0, Event(Kind.STARTED)), 0.0)
    view.take(entry(1, Event(Kind.PROGRESS, progress=progress), at=3_700.0), 10.0)
    assert view.text == said
    assert view.elapsed(71.0) == "1:02:40"


def test_what_is_written_over_is_not_shown() -> None:
    text = "".join(f"\r{n}%" for n in range(10_000)) + "\n"
    _, shown = told(Event(Kind.CONSOLE, text=text), Event(Kind.CONSOLE, text="x" * 100_000))
    lines = [line for line in shown.splitlines() if "f ·" not in line]
    assert lines[0] == "9999%"
    assert len(lines[1]) == 10_000


async def test_silence_ticks(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("farhand.client.progress.TICK", 0.01)
    async with AsyncClient(address) as client:
        job = await client.submit("steps", {"n": 1, "hold": True})
        ticks, offsets, silences = ticking(job.watch()), list[int](), 0
        while silences < 3 or len(offsets) < 4:
            one = await anext(ticks)
            silences += one is None
            offsets += [] if one is None else [one.offset]
        await ticks.aclose()
        assert offsets == list(range(len(offsets)))
        await job.cancel()


def test_nan_has_no_share() -> None:
    view = View("j", "f", progress=Progress(float("nan"), 2.0))
    assert view.share is None or 0 <= view.share <= 1
