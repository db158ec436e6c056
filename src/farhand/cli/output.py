"""What the command writes: JSON on stdout; tables there too; errors and logs on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog
import typer
from rich.console import Console
from rich.markup import escape

from farhand.errors import FarhandError, HandlerFailed

stdout = Console(soft_wrap=False, highlight=False)
stderr = Console(stderr=True, highlight=False)


def log_to_stderr() -> None:
    """Send the logs of a server to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def ready(line: str) -> None:
    """A line that scripts wait for, on stdout."""
    print(line, flush=True)


def print_json(value: Any) -> None:
    """One line of JSON on stdout; bytes as base64."""
    sys.stdout.buffer.write(msgspec.json.encode(value, enc_hook=str) + b"\n")
    sys.stdout.flush()


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
    stderr.print(f"[bold red]error[/] [dim]{error.code}[/]\n  {escape(str(error))}")
    for problem in error.details.get("problems", []):
        stderr.print(f"  [yellow]{escape(str(problem['path']))}[/] {escape(str(problem['message']))}")
    if isinstance(error, HandlerFailed) and error.traceback:
        stderr.print(f"[dim]{escape(error.traceback.rstrip())}[/]")
