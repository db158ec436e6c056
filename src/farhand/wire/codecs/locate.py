"""Where in a value something is, as a path: ``$.rows[3].model``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

MOST_STEPS = 100_000
_DEEPEST = 200


def path_to(root: Any, wanted: Callable[[Any], bool]) -> str | None:
    """The path to the first value of which `wanted` is true; None where none is found soon."""
    waiting: list[tuple[str, Any, int]] = [("$", root, 0)]
    seen: set[int] = set()
    for _ in range(MOST_STEPS):
        if not waiting:
            return None
        path, value, depth = waiting.pop()
        if wanted(value):
            return path
        if depth < _DEEPEST and id(value) not in seen:
            inner = [(path + step, one, depth + 1) for step, one in _steps(value)]
            if inner:
                seen.add(id(value))
            waiting += reversed(inner)
    return None


def _steps(value: Any) -> Iterator[tuple[str, Any]]:
    """What is inside, each with what leads there."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield f"[{key!r}]" if not isinstance(key, str) or not key.isidentifier() else f".{key}", one
            if not isinstance(key, str | int):
                yield f" (the key {str(key)[:40]!r})", key
    elif isinstance(value, list | tuple | set | frozenset):
        for at, one in enumerate(value):
            yield f"[{at}]", one
    elif isinstance(value, type):
        return
    elif isinstance(value, msgspec.Struct):
        yield from ((f".{name}", getattr(value, name, None)) for name in value.__struct_fields__)
    elif dataclasses.is_dataclass(value):
        yield from ((f".{one.name}", getattr(value, one.name, None)) for one in dataclasses.fields(value))
    elif isinstance(fields := getattr(type(value), "model_fields", None), Mapping):
        yield from ((f".{name}", getattr(value, name, None)) for name in fields)
