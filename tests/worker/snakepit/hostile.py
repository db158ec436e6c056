"""What shows that a pickle was loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and _watching:
        _watching[-1].append(str(arguments))


class Recorded:
    """Its pickle calls a function when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (abs, (-1,))


@contextmanager
def watched() -> Iterator[list[str]]:
    """What pickles have looked up in the meantime."""
    if _hook not in _installed:
        sys.addaudithook(_hook)
        _installed.append(_hook)
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


_installed: list[Any] = []
