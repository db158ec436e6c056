"""A durable job as it goes: a live bar in a terminal or a notebook, lines anywhere else; drawn from the job's log."""

from __future__ import annotations

import asyncio
import contextlib
import html
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from farhand.client.calls import Read, value
from farhand.client.stream import check_whole, raise_fault
from farhand.model.durable import Entry
from farhand.model.event import Kind, Progress

TICK = 0.5
"""Seconds of silence after which the time that has passed is drawn anew."""
LINE_LIMIT = 10_000
"""Characters kept of a line that has not ended."""
NOTEBOOK_LINES = 200
"""Printed lines that a notebook's output keeps above the bar."""


class View(msgspec.Struct):
    """What is known of the job by its log. `attempt` counts those that have begun."""

    id: str
    handler: str
    status: str = "queued"
    attempt: int = 0
    progress: Progress | None = None
    queued_at: float | None = None
    last_at: float = 0.0
    seen: float = 0.0

    def take(self, entry: Entry, now: float) -> None:
        """Count an entry that came at `now` of this process's clock."""
        kind = entry.event.kind
        if self.queued_at is None:
            self.queued_at = entry.at
        self.last_at, self.seen = entry.at, now
        if kind is Kind.STARTED:
            self.attempt += 1
            self.status, self.progress = "running", None
        elif kind is Kind.PROGRESS:
            self.progress = entry.event.progress
        elif kind.final:
            self.status = kind.name.lower()

    def elapsed(self, now: float) -> str:
        """How long it has been there, by the hub's clock up to the last entry, and by this one's from then on."""
        since = 0.0 if self.status not in ("queued", "running") else now - self.seen
        whole = 0 if self.queued_at is None else max(0, int(self.last_at - self.queued_at + since))
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"

    @property
    def share(self) -> float | None:
        """How much is done, from 0 to 1; None where it isn't known."""
        done = self.progress
        if self.status == "succeeded":
            return 1.0
        if done is None or not done.total or not done.total > 0:
            return None
        return min(1.0, max(0.0, done.current / done.total))

    @property
    def text(self) -> str:
        """All but the bar and the time, in one line."""
        parts = [self.handler, self.status]
        if self.attempt > 1:
            parts.append(f"attempt {self.attempt}")
        done = self.progress
        if done is not None:
            share = self.share
            count = f"{done.current:g}" if done.total is None else f"{done.current:g}/{done.total:g}"
            parts.append(count if share is None else f"{share:.0%} ({count})")
            if done.message:
                parts.append(" ".join(done.message.split()))
        return " · ".join(parts)


class Board(Protocol):
    """Where it is drawn. `every` is the least time between two drawings, in seconds."""

    every: float

    def draw(self, view: View, now: float) -> None:
        """Show how it stands."""

    def lines(self, lines: list[str]) -> None:
        """Show what the job printed, above the bar."""

    def close(self, text: str) -> None:
        """Leave this as the last line."""


class TerminalBoard:
    """A live bar on a terminal."""

    every = 0.1

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.fields[elapsed]}", markup=False, style="dim"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
        )
        self._bar = Bar(*columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False)
        self._task = self._bar.add_task("", total=None, elapsed="")
        self._bar.start()

    def draw(self, view: View, now: float) -> None:
        """As `Board.draw`."""
        share = view.share
        self._bar.update(
            self._task,
            completed=share or 0.0,
            total=None if share is None else 1.0,
            description=_clean(view.text),
            elapsed=view.elapsed(now),
            refresh=True,
        )

    def lines(self, lines: list[str]) -> None:
        """As `Board.lines`; colours are kept, all else that would move a cursor is not."""
        for line in lines:
            self._bar.console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self, text: str) -> None:
        """As `Board.close`."""
        self._bar.stop()
        self._bar.console.print(text, markup=False, soft_wrap=True)


class NotebookBoard:
    """HTML in a notebook's cell, replaced as the job goes."""

    every = 0.25

    def __init__(self, display: Callable[..., Any]) -> None:
        """`display` is IPython's."""
        self._lines: deque[str] = deque(maxlen=NOTEBOOK_LINES)
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)
        self._body = ""

    def draw(self, view: View, now: float) -> None:
        """As `Board.draw`."""
        share = view.share
        known = "" if share is None else f' value="{share:.4f}"'
        text = f"{view.elapsed(now)}  {view.text}"
        self._body = f"<progress max=1{known}></progress> {html.escape(_clean(text))}"
        self._update(text)

    def lines(self, lines: list[str]) -> None:
        """As `Board.lines`; drawn with the next drawing."""
        self._lines += [_clean(line) for line in lines]

    def close(self, text: str) -> None:
        """As `Board.close`."""
        self._body = html.escape(text)
        self._update(text)

    def _update(self, text: str) -> None:
        above = "\n".join(self._lines)
        pre = f"<pre>{html.escape(above)}</pre>" if above else ""
        plain = f"{above}\n{text}" if above else text
        self._handle.update({"text/plain": plain, "text/html": f"<div>{pre}<div>{self._body}</div></div>"}, raw=True)


class PlainBoard:
    """A line a change, for logs and pipes."""

    every = 1.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def draw(self, view: View, now: float) -> None:
        """As `Board.draw`; nothing is said twice."""
        if view.text != self._last:
            self._last = view.text
            self.lines([f"{view.elapsed(now)}  {view.text}"])

    def lines(self, lines: list[str]) -> None:
        """As `Board.lines`."""
        for line in lines:
            self._console.print(_clean(line), markup=False, highlight=False, soft_wrap=True)

    def close(self, text: str) -> None:
        """As `Board.close`."""
        self.lines([text])


class NoBoard(PlainBoard):
    """Nothing is shown but how to go on, where it was left."""

    def draw(self, view: View, now: float) -> None:
        """As `Board.draw`."""

    def lines(self, lines: list[str]) -> None:
        """As `Board.lines`."""

    def close(self, text: str) -> None:
        """As `Board.close`."""
        if "\n" in text:
            super().lines([text.partition("\n")[2]])


def how_to_follow(id: str, offset: int, hub: str = "") -> str:
    """Said to who stops looking; `hub` is its address where that isn't the default."""
    at = f" --hub {hub}" if hub else ""
    return f"job {id} runs on; follow it: farhand watch {id} --from {offset}{at}"


def board(console: Console | None = None) -> Board:
    """The board for where this runs: a notebook, a terminal on stderr, or neither."""
    console = console or Console(stderr=True, highlight=False)
    if console.is_jupyter:
        from IPython.display import display

        return NotebookBoard(display)
    return TerminalBoard(console) if console.is_terminal else PlainBoard(console)


class Display:
    """Takes a job's entries in their order, draws, and has the result in the end. Left by Ctrl-C or a cancel, it says
    how to go on."""

    def __init__(
        self, view: View, board: Board, hub: str = "", *, read: Read = value, prints: bool = True, offset: int = 0
    ) -> None:
        """`hub` is its address where that isn't the default. `read` makes values of payloads. `prints`: what the job
        prints is shown too."""
        self._read = read
        self._view = view
        self._board = board
        self._hub = hub
        self._prints = prints
        self._offset = offset
        self._drawn = float("-inf")
        self._rest = ""
        self._chunks: list[Any] = []
        self._end: Entry | None = None
        self._first = offset
        self._begun = False

    def take(self, entry: Entry | None) -> None:
        """One more entry; None where there was none for a while."""
        now = time.monotonic()
        if entry is not None:
            if not self._begun:
                self._begun, self._first = True, entry.offset
            self._offset = entry.offset + 1
            self._view.take(entry, now)
            self._keep(entry)
        if self._end is None and now - self._drawn >= self._board.every:
            self._drawn = now
            self._board.draw(self._view, now)

    def result(self) -> Any:
        """What the job answered.

        Raises:
            FarhandError: it ended otherwise than by success, as its class says.
            LogPruned: some of its chunks are not kept any more.
        """
        end = self._end
        if end is None:
            raise AssertionError("a log ends with the job's end")
        raise_fault(end.event)
        check_whole(self._view.id, end, len(self._chunks), self._first)
        payload = end.event.payload
        return self._chunks if self._chunks or not payload.media else self._read(payload)

    def _keep(self, entry: Entry) -> None:
        event = entry.event
        if event.kind is Kind.STARTED:
            self._chunks.clear()  # those before are of an attempt that was lost
        elif event.kind is Kind.CHUNK:
            self._chunks.append(self._read(event.payload))
        elif event.kind is Kind.CONSOLE and self._prints:
            *lines, rest = (self._rest + event.text).split("\n")
            self._rest = _overwritten(rest)[-LINE_LIMIT:]
            self._board.lines([_overwritten(line) for line in lines])
        elif event.kind.final:
            self._end = entry

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rest:
            self._board.lines([self._rest])
        view = self._view
        text = f"{view.elapsed(time.monotonic())}  {_clean(view.text)}"
        if kind is not None and issubclass(kind, KeyboardInterrupt | asyncio.CancelledError):
            text += f"\n{how_to_follow(view.id, self._offset, self._hub)}"
        self._board.close(text)


async def ticking(entries: AsyncGenerator[Entry, None]) -> AsyncGenerator[Entry | None, None]:
    """The entries, and None after each TICK of silence."""
    pending: asyncio.Future[Entry | None] = asyncio.ensure_future(_next(entries))
    try:
        while True:
            await asyncio.wait({pending}, timeout=TICK)
            if not pending.done():
                yield None
                continue
            entry = pending.result()
            if entry is None:
                return
            yield entry
            pending = asyncio.ensure_future(_next(entries))
    finally:
        pending.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await pending
        await entries.aclose()


async def _next(entries: AsyncGenerator[Entry, None]) -> Entry | None:
    return await anext(entries, None)


def _overwritten(line: str) -> str:
    """What a line shows that was written over by carriage returns."""
    return line.rstrip("\r").rpartition("\r")[2]


def _clean(text: str) -> str:
    """Text without what would colour it or move a cursor."""
    return "".join(char for char in Text.from_ansi(text).plain if char.isprintable() or char == "\t")
