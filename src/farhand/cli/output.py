"""What the command writes: JSON on stdout; tables there too; errors and logs on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
import typer
from rich.console import Console
from rich.markup import escape

from farhand.errors import FarhandError, HandlerFailed

stdout = Console(soft_wrap=False, highlight=False)
stderr = Console(stderr=True, highlight=False)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send the logs of a server to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def ready(line: str) -> None:
    """A line that scripts wait for, on stdout."""
    print(line, flush=True)


def print_json(value: Any) -> None:
    """One line of JSON on stdout; bytes as base64."""
    sys.stdout.buffer.write(msgspec.json.encode(value, enc_hook=str) + b"\n")
    sys.stdout.flush()


def listing(heads: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    """A table on stdout; where the terminal is too narrow for it, a block a row. `nothing` is said without rows."""
    if not rows:
        stdout.print(nothing, markup=False, soft_wrap=True)
        return
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    if sum(widths) + 2 * len(widths) <= stdout.width:
        for row in (heads, *rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            stdout.print(line.rstrip(), markup=False, style="bold" if row is heads else None)
        return
    for row in rows:
        stdout.print(row[0], markup=False, style="bold")
        for head, cell in zip(heads[1:], row[1:], strict=True):
            if cell:
                stdout.print(f"  {head}: {cell}", markup=False)


def labels(pairs: list[str] | None) -> dict[str, str]:
    """``key=value`` texts as a mapping; anything else is a usage error."""
    found: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE")
        found[key] = value
    return found


def show_error(error: FarhandError) -> None:
    """An error as one block on stderr: what happened, each wrong field, the remote traceback."""
    stderr.print(f"[bold red]error[/] [dim]{error.code}[/]\n  {escape(str(error))}", soft_wrap=True)
    for problem in error.details.get("problems", []):
        stderr.print(f"  [yellow]{escape(str(problem['path']))}[/] {escape(str(problem['message']))}", soft_wrap=True)
    if isinstance(error, HandlerFailed) and error.traceback:
        stderr.print(f"[dim]{escape(error.traceback.rstrip())}[/]", soft_wrap=True)
