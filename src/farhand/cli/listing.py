"""workers and handlers: tables for a person at a terminal, JSON for everything else."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import msgspec

from farhand import config
from farhand.cli import output
from farhand.cli.asking import connected, interruptible
from farhand.cli.schemas import Schema, command
from farhand.errors import HandlerNotFound
from farhand.model.handler import HandlerView
from farhand.model.worker import WorkerView


def workers(hub: str, group: str, as_json: bool) -> None:
    """Print the workers."""

    async def work() -> list[WorkerView]:
        async with connected(hub) as client:
            return await client.workers(group)

    found = interruptible(work())
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            one.info.id,
            one.info.group,
            one.state.value,
            f"{one.running}/{one.info.slots}",
            str(one.sessions),
            _duration(one.connected_for),
        )
        for one in found
    ]
    output.listing(
        ("worker", "group", "state", "busy", "sessions", "up"), rows, _nothing("no worker is connected", group)
    )


def handlers(hub: str, group: str, as_json: bool) -> None:
    """Print the handlers."""
    found = _handlers(hub, group)
    if as_json:
        output.print_json([_as_dict(view) for view in found])
        return
    rows = [
        (
            view.handler.name + (" »" if view.handler.streams else ""),
            view.group,
            str(view.workers),
            ", ".join(
                one.name if one.required else f"[{one.name}]" for one in Schema(view.handler.parameters).parameters()
            ),
            view.handler.doc.split("\n", 1)[0],
        )
        for view in found
    ]
    heads = ("handler", "group", "workers", "arguments", "what it does")
    output.listing(heads, rows, _nothing("no handler is served", group))
    if any(view.handler.streams for view in found):
        output.stdout.print("» streams", style="dim", highlight=False)


def handler(hub: str, group: str, name: str, as_json: bool) -> None:
    """Print one handler, once for each group that serves it.

    Raises:
        HandlerNotFound: nobody serves it; the message names near matches.
    """
    served = _handlers(hub, group)
    found = [view for view in served if view.handler.name == name]
    if not found:
        similar = get_close_matches(name, [view.handler.name for view in served], n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(similar)}?" if similar else "`farhand handlers` lists what is served"
        where = f" in group {group!r}" if group else ""
        raise HandlerNotFound(f"no worker{where} serves {name!r}; {hint}", similar=similar)
    if as_json:
        for view in found:
            output.print_json(_as_dict(view))
        return
    for number, view in enumerate(found):
        if number:
            output.lines("")
        _describe(view, "" if hub == config.resolve(config.HUB).value else hub)


def _describe(view: HandlerView, hub: str) -> None:
    spec = view.handler
    facts = [
        "streams" if spec.streams else "answers once",
        {"thread": "in a thread", "process": "in a process of its own", "none": "on the event loop"}[spec.isolate],
        *([f"at most {spec.timeout:g} s"] if spec.timeout else []),
        f"group {view.group}",
        f"{view.workers} worker{'s' * (view.workers != 1)}, {view.slots_free} slots free",
    ]
    output.lines(spec.name, style="bold")
    output.lines(", ".join(facts), indent=2, style="dim")
    for paragraph in spec.doc.split("\n\n") if spec.doc else ():
        output.lines(" ".join(paragraph.split()), indent=2)
    schema = Schema(spec.parameters)
    _section("arguments")
    for one in schema.parameters():
        said = one.kind if one.required else f"{one.kind}, optional" + (f": {one.default}" if one.has_default else "")
        output.lines(f"{one.name}  {said}" + (f"  {one.doc}" if one.doc else ""), indent=2)
    if not schema.parameters():
        output.lines("none", indent=2)
    result = Schema(spec.result)
    _section("each chunk" if spec.streams else "result")
    output.lines(result.kind(result.root), indent=2)
    _section("call it")
    output.stdout.print(f"  {command(spec, group=view.group, hub=hub)}", markup=False, soft_wrap=True)


def _section(title: str) -> None:
    output.lines("")
    output.lines(title, style="bold")


def _handlers(hub: str, group: str) -> list[HandlerView]:
    async def work() -> list[HandlerView]:
        async with connected(hub) as client:
            return await client.handlers(group)

    return interruptible(work())


def _nothing(text: str, group: str) -> str:
    where, flag = (f" in group {group}", f" --group {group}") if group else ("", "")
    return f"{text}{where}: start one with `farhand worker MODULE:APP{flag}`"


def _duration(seconds: float) -> str:
    """A time in one or two units."""
    whole = int(seconds)
    for size, unit, below, lesser in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // below} {lesser}"
    return f"{whole} s"


def _as_dict(view: HandlerView) -> dict[str, Any]:
    spec = view.handler
    return {
        "name": spec.name,
        "group": view.group,
        "doc": spec.doc,
        "streams": spec.streams,
        "isolate": spec.isolate,
        "timeout": spec.timeout,
        "workers": view.workers,
        "slots_free": view.slots_free,
        "parameters": msgspec.Raw(spec.parameters),
        "result": msgspec.Raw(spec.result),
    }
