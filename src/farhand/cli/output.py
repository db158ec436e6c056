"""What the command writes: JSON on stdout; tables there too, for a person; errors and logs on stderr."""

from __future__ import annotations

import logging
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import msgspec
import structlog
from rich.console import Console
from rich.markup import escape

from farhand.errors import FarhandError, HandlerFailed
from farhand.wire.values import to_json

LEAST_LAST = 24
"""Columns that a table's last column needs, or less if it is shorter; it is cut there rather than broken."""

stdout = Console(soft_wrap=False, highlight=False)
stderr = Console(stderr=True, highlight=False)


class Usage(FarhandError):
    """The command line itself is wrong; the message says how it should be. Exit status 2."""

    code = "USAGE"
    grpc_status = "INVALID_ARGUMENT"
    http_status = 400


def log_to_stderr(level: str = "info", form: str = "console") -> None:
    """Send the logs of a server to stderr: at least `level`, as text ("console") or an object a line ("json")."""
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_json_text, default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the rich one shows local variables, payloads included
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _json_text(value: Any, default: Any) -> str:
    return msgspec.json.encode(value, enc_hook=default).decode()


def for_a_person() -> bool:
    """Whether stdout is a terminal, so that a table is wanted and not JSON."""
    return sys.stdout.isatty()


def ready(line: str) -> None:
    """A line that scripts wait for, on stdout."""
    print(line, flush=True)


def print_json(value: Any) -> None:
    """One line of JSON on stdout; bytes as base64, arrays as lists, tables as records."""
    sys.stdout.buffer.write(to_json(value) + b"\n")
    sys.stdout.flush()


def listing(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    nothing: str,
    narrow: Callable[[Sequence[str]], str] | None = None,
) -> None:
    """A table on stdout; where the terminal is too narrow for it, a block a row: its first cell, and below it the
    others, a line each or all in what `narrow` makes of them. `nothing` is said without rows."""
    if not rows:
        lines(nothing)
        return
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    room = stdout.width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    if room >= min(widths[-1], LEAST_LAST):
        for row in (heads, *rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            style = "bold" if row is heads else None
            stdout.print(shortened(line, stdout.width), markup=False, style=style, soft_wrap=True)
        return
    for row in rows:
        stdout.print(row[0], markup=False, style="bold", soft_wrap=True)  # whole, to be copied
        if narrow is not None:
            lines(narrow(row), indent=2)
            continue
        for head, cell in zip(heads[1:], row[1:], strict=True):
            if cell:
                lines(f"{head}: {cell}", indent=2)


def lines(text: str, indent: int = 0, style: str | None = None) -> None:
    """Text on stdout, broken between words to the terminal's width; further lines stand two columns in."""
    for line in wrapped(text, stdout.width, indent):
        stdout.print(line, markup=False, style=style, soft_wrap=True)


def wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """`text` as lines of at most `width` columns, broken between words where it can be."""
    first, further = " " * indent, " " * (indent + 2)
    return textwrap.wrap(
        text, max(width, indent + 12), initial_indent=first, subsequent_indent=further, break_on_hyphens=False
    ) or [""]


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` columns; a mark says that more was there."""
    return text if len(text) <= width else text[: width - 1] + "…"


def labels(pairs: list[str] | None) -> dict[str, str]:
    """``key=value`` texts as a mapping.

    Raises:
        Usage: one is something else.
    """
    return pairs_of(pairs, "--label", "gpu=a100")


def pairs_of(texts: list[str] | None, flag: str, example: str) -> dict[str, str]:
    """What a flag that is given as KEY=VALUE, as often as one likes, has said.

    Raises:
        Usage: one is something else.
    """
    found: dict[str, str] = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Usage(f"{flag} {text!r} is not KEY=VALUE, as in {flag} {example}")
        found[key] = value
    return found


def show_error(error: FarhandError) -> None:
    """An error as one line on stderr; further wrong fields and the remote traceback, where there are some, below it."""
    problems = error.details.get("problems", [])
    text = str(error)
    if len(problems) > 1:
        text = text.partition(": ")[0] + ":"
    stderr.print(f"[bold red]error[/]: {escape(text)} [dim]({error.code})[/]", soft_wrap=True)
    if len(problems) > 1:
        for problem in problems:
            path, message = escape(str(problem["path"])), escape(str(problem["message"]))
            stderr.print(f"  [yellow]{path}[/]: {message}", soft_wrap=True)
    if isinstance(error, HandlerFailed) and error.traceback:
        stderr.print(f"[dim]{escape(error.traceback.rstrip())}[/]", soft_wrap=True)


def show_crash(what: str, error: BaseException) -> None:
    """What somebody's own code raised, on stderr: its traceback without farhand's frames, then a line on it."""
    frames = _own_frames(error.__traceback__)
    if frames is None and not isinstance(error, SyntaxError):
        frames = error.__traceback__
    text = "".join(traceback.format_exception(type(error), error, frames))
    stderr.print(f"{escape(text.rstrip())}\n[bold red]error[/]: {escape(what)}", soft_wrap=True)


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is neither farhand's nor the machinery's between."""
    while frames is not None and _is_machinery(frames.tb_frame.f_globals.get("__name__", "")):
        frames = frames.tb_next
    return frames


def _is_machinery(module: str) -> bool:
    room = module.partition(".")[0]
    return room in ("farhand", "importlib", "asyncio", "contextlib", "uvloop") and not module.startswith(
        "farhand.cli.demo"
    )
