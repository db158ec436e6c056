"""tail_and_analyze: the lines of a log that match, as it grows and rotates."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from farhand.kits.snakepit.streams.following import Follower
from farhand.kits.snakepit.streams.matching import matching
from farhand.kits.snakepit.streams.pausing import check, pause
from farhand.worker.context import Context

PATTERNS = ["ERROR", "FATAL", "WARN"]
CONTEXT_LIMIT, PATTERNS_LIMIT = 100, 100
POLL = 0.1
"""Seconds between two looks at a log that has nothing new."""
MARGIN = 0.5
"""Seconds before its deadline at which a tail ends by itself."""
CHECK_EVERY = 100

_SEVERITIES = (
    ("FATAL", ("FATAL", "CRITICAL", "PANIC")),
    ("ERROR", ("ERROR",)),
    ("WARN", ("WARN",)),
    ("DEBUG", ("DEBUG",)),
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")


def tail_and_analyze(
    ctx: Context,
    log_path: str,
    patterns: list[str] = PATTERNS,
    context_lines: int = 0,
    from_start: bool = True,
    follow: bool = True,
    idle_seconds: float = 0,
) -> Iterator[dict[str, Any]]:
    """Each line of a log that holds one of `patterns`, as it comes: the log may grow, be cut short, or be moved away
    for a new one. Ends shortly before the call's deadline, after `idle_seconds` without a new line (0: never), or at
    the log's end where `follow` is false.

    Args:
        patterns: regular expressions of RE2; lines take time in proportion to their length whatever they are. Lines
            are cut at 8 KiB.
        context_lines: how many lines before it come with each, at most 100.
        from_start: whether lines that are there already count.

    Chunks: `severity` (FATAL, ERROR, WARN, INFO or DEBUG, by the words of the line), `timestamp` (the line's own where
    it has one as in ISO 8601, else now), `log_line` and `log_entry` (the same), `pattern_matched`, `entry_number` from
    1, `line_number` from 1, `context` (a list). The last has `entries`, `lines_read`, `rotations` and `ended`
    ("deadline", "idle" or "end").

    Raises:
        ValueError: a pattern can't be used, or a number makes no sense.
        OSError: the log can't be opened.
    """
    if not 0 <= context_lines <= CONTEXT_LIMIT:
        raise ValueError(f"context_lines must be 0 to {CONTEXT_LIMIT}, not {context_lines}")
    if not 1 <= len(patterns) <= PATTERNS_LIMIT:
        raise ValueError(f"there must be 1 to {PATTERNS_LIMIT} patterns, not {len(patterns)}")
    if not idle_seconds >= 0:
        raise ValueError(f"idle_seconds must be 0 or more, not {idle_seconds:g}")
    first = matching(patterns)
    before: deque[str] = deque(maxlen=context_lines)
    entries = number = 0
    with closing(Follower(log_path, from_start)) as log:
        ended = ""
        heard = time.monotonic()
        while not ended:
            seen = number
            for line in log.lines() if follow else _all(log):
                number += 1
                if number % CHECK_EVERY == 0:
                    check(ctx)
                found = first(line)
                if found is not None:
                    entries += 1
                    yield _entry(line, found, entries, number, list(before))
                before.append(line)
            heard = time.monotonic() if number > seen else heard
            ended = "" if follow else "end"
            if idle_seconds and time.monotonic() - heard >= idle_seconds:
                ended = "idle"
            if ctx.deadline is not None and ctx.deadline < MARGIN:
                ended = "deadline"
            if not ended:
                pause(ctx, POLL)
        rotations = log.rotations
    yield {"entries": entries, "lines_read": number, "rotations": rotations, "ended": ended, "is_final": True}


def _all(log: Follower) -> Iterator[str]:
    yield from log.lines()
    yield from log.rest()


def _entry(line: str, pattern: str, entry: int, number: int, before: list[str]) -> dict[str, Any]:
    stamped = _TIME.search(line)
    return {
        "severity": severity(line),
        "timestamp": stamped[0] if stamped else datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "log_line": line,
        "log_entry": line,
        "pattern_matched": pattern,
        "entry_number": entry,
        "line_number": number,
        "context": before,
        "is_final": False,
    }


def severity(line: str) -> str:
    """The gravest word of severity in a line; INFO where there is none."""
    upper = line.upper()
    return next((name for name, words in _SEVERITIES if any(word in upper for word in words)), "INFO")
