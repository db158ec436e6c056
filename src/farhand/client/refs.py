"""Refs among arguments: a worker fetches what they stand for before its handler begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farhand.model.ref import Ref
from farhand.wire.values import ByRef


def has_refs(args: dict[str, Any]) -> bool:
    """Whether one is there, as an argument, or as the first of a list or dict."""
    return any(map(_holds, args.values()))


def by_ref(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they are sent, with their refs to be fetched."""
    return {name: _each(value, ByRef) for name, value in args.items()}


def by_name(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments as equal work has them: a ref's token and time don't count."""
    return {name: _each(value, lambda ref: ["ref", ref.id, ref.checksum]) for name, value in args.items()}


def _holds(value: Any) -> bool:
    kind = value.__class__
    if kind is list or kind is tuple or kind is dict:
        first = next(iter(value.values() if kind is dict else value), None)
        return first.__class__ is Ref
    return kind is Ref


def _each(value: Any, use: Callable[[Ref], Any]) -> Any:
    if isinstance(value, Ref):
        return use(value)
    if isinstance(value, list | tuple):
        return [use(one) if isinstance(one, Ref) else one for one in value]
    if isinstance(value, dict):
        return {key: use(one) if isinstance(one, Ref) else one for key, one in value.items()}
    return value
