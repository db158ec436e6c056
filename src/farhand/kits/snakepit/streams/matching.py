"""Regular expressions of callers, by RE2: they take time in proportion to the text, whatever the pattern.

Python's own `re` can be held for ever by a pattern of eight characters, and holds the interpreter meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farhand.kits.snakepit.streams.extra import needed

PATTERN_LIMIT = 1000
"""Characters of a pattern."""
MEMORY = 8 * 1024 * 1024
"""Bytes that one pattern may take."""


class BadPattern(ValueError):
    """A pattern is none, or asks for what RE2 doesn't do, or is too large."""


def matching(patterns: list[str]) -> Callable[[str], str | None]:
    """A function that says which of the patterns a line holds first, in their own order; None for none.

    Raises:
        BadPattern: one of them can't be used.
        ImportError: RE2 isn't installed.
    """
    made = [(one, _compiled(one)) for one in patterns]

    def first(line: str) -> str | None:
        data = line.encode(errors="replace")
        return next((text for text, one in made if one.search(data)), None)

    return first


def _compiled(text: str) -> Any:
    """A pattern of UTF-8.

    Raises:
        BadPattern: it can't be used.
    """
    if len(text) > PATTERN_LIMIT:
        raise BadPattern(f"a pattern of {len(text):,} characters is over the limit of {PATTERN_LIMIT:,}")
    re2 = needed("re2")
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = MEMORY, False, True
    try:
        return re2.compile(text.encode(), options)
    except UnicodeEncodeError as error:
        raise BadPattern(f"the pattern {text[:40]!r} is no text") from error
    except re2.error as error:
        why = error.args[0] if error.args else "it can't be read"
        why = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise BadPattern(f"the pattern {text[:40]!r} can't be used: {why}") from error
