"""What is installed and set, whether a hub answers or could start here, and what its groups lack."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import socket
import time
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from rich.markup import escape

from farhand import config
from farhand.assembly import open_blobs
from farhand.cli import output
from farhand.client.aio import AsyncClient
from farhand.client.views import HubInfo
from farhand.errors import FarhandError
from farhand.model import urls
from farhand.model.limits import PROTOCOL
from farhand.model.places import beside, folder_of
from farhand.model.worker import WorkerState, WorkerView

PACKAGES = ("farhand", "grpcio", "protobuf", "msgspec", "typer", "rich", "structlog")
HUB_TIMEOUT = 3.0
OWN_TIMEOUT = 1.0
"""Seconds that whoever holds the port has to prove itself a hub."""


class Findings(msgspec.Struct):
    """What was found. `problems` are sentences that each say what to do."""

    versions: dict[str, str]
    settings: dict[str, dict[str, Any]]
    listen: str
    blobs: str
    hub: dict[str, Any]
    groups: dict[str, str]
    problems: list[str]


def examine(hub: str | None, as_json: bool) -> int:
    """Print the findings; 1 if something is wrong."""
    found = Findings(_versions(), {}, "", "", {}, {}, [])
    _settings(found, hub)
    _judge_store(found)
    asyncio.run(_look(found))
    if as_json:
        output.print_json(found)
    else:
        _print(found)
    return 1 if found.problems else 0


def _print(found: Findings) -> None:
    _section("versions", found.versions)
    _section("settings", {name: f"{one['value']}  ({one['source']})" for name, one in found.settings.items()})
    _section(
        f"a hub started here, at {found.settings['grpc']['value']}", {"address": found.listen, "blobs": found.blobs}
    )
    _section(f"the hub at {found.settings['hub']['value']}", found.hub)
    if found.groups:
        _section("its groups", found.groups)
    for problem in found.problems:
        first, *others = output.wrapped(problem, output.stdout.width - 2)
        output.stdout.print(f"[red]✗[/] {escape(first)}", soft_wrap=True)
        for line in others:
            output.stdout.print(f"  {escape(line)}", soft_wrap=True)
    if not found.problems:
        output.stdout.print("[green]✓[/] all is well")


def _section(title: str, rows: dict[str, Any]) -> None:
    output.lines(title, style="bold")
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        output.lines(f"{name:<{width}}  {text}", indent=2)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _judge_store(found: Findings) -> None:
    if found.settings[config.STORE.name]["value"].startswith("postgres") and not find_spec("asyncpg"):
        found.problems.append("the store is PostgreSQL's, and its driver isn't there: pip install 'farhand[postgres]'")


def _settings(found: Findings, hub: str | None) -> None:
    for setting in config.SETTINGS:
        try:
            one = config.resolve(setting, hub if setting is config.HUB else None)
        except config.BadSetting as error:
            if str(error) not in found.problems:
                found.problems.append(str(error))
            one = config.Value(setting.default, "default")
        shown = "30 for run, 300 for stream" if setting is config.TIMEOUT and one.value is None else one.value
        if setting is config.BLOBS and one.value is None:
            shown = beside(found.settings[config.STORE.name]["value"])
        elif setting in (config.STORE, config.BLOBS):
            shown = urls.shown(one.value)
        if setting.secret and one.value:
            shown = "set"
        found.settings[setting.name] = {"value": shown, "source": one.source}


async def _look(found: Findings) -> None:
    found.listen = await _listen(found.settings["grpc"]["value"], found.problems)
    found.blobs = await _blobs(found.problems)
    address = found.settings["hub"]["value"]
    async with AsyncClient(address, connect_timeout=HUB_TIMEOUT) as client:
        try:
            await client.hub()
            began = time.perf_counter()
            hub = await client.hub()
            took = time.perf_counter() - began
            workers = await client.workers()
        except FarhandError as error:
            found.hub = {"answers": "no"}
            found.problems.append(
                f"no hub answers at {address}: start one with `farhand hub`, or name another with --hub or "
                f"{config.HUB.variable} ({_reason(error)})"
            )
            return
    found.hub = {
        "answers": f"in {took * 1000:.1f} ms",
        "version": hub.version,
        "protocol": hub.protocol,
        "up for": f"{hub.up_for:.0f} s",
        "workers": hub.workers,
        "running": hub.running,
        "waiting": hub.waiting,
    }
    _judge_hub(hub, found.problems)
    _judge_groups(hub, workers, found)


async def _listen(address: str, problems: list[str]) -> str:
    """Whether a hub could listen there: free, a farhand hub's already, or not to be had."""
    host, _, port = address.rpartition(":")
    why = await asyncio.to_thread(_bind, host.strip("[]"), int(port))
    if not why:
        return "free"
    change = f"listen elsewhere with --grpc or {config.GRPC.variable}"
    if why != errno.EADDRINUSE:
        text = os.strerror(why)
        problems.append(f"a hub can't listen at {address} ({text}): {change}, as in 127.0.0.1:50051")
        return f"can't be used: {text}"
    async with AsyncClient(address, connect_timeout=OWN_TIMEOUT) as client:
        try:
            return f"taken by a farhand hub, version {(await client.hub()).version}"
        except FarhandError:
            problems.append(f"another program than a farhand hub has the port of {address}: stop it, or {change}")
            return "taken by another program"


async def _blobs(problems: list[str]) -> str:
    """Whether a hub could keep large payloads where the settings say; nothing is made for that."""
    try:
        url = config.resolve(config.BLOBS).value or beside(config.resolve(config.STORE).value)
        if url.startswith("file:"):
            return _folder(Path(folder_of(url)), problems)
        store = open_blobs(url)
    except config.BadSetting:
        return "not known"  # it is told already
    except FarhandError as error:
        problems.append(str(error))
        return "no such place"
    try:
        await store.list(limit=1)
        return "can be reached"
    except FarhandError as error:
        problems.append(str(error))
        return "can't be reached"
    finally:
        await store.close()


def _folder(folder: Path, problems: list[str]) -> str:
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return "can be written" if there == folder.absolute() else "can be made"
    problems.append(
        f"large payloads can't be kept in {folder}: let {there} be a folder that can be written, or name "
        f"another place with --blobs or {config.BLOBS.variable}"
    )
    return "can't be written"


def _bind(host: str, port: int) -> int:
    """The errno of listening there; 0 if it can be done."""
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return errno.EADDRNOTAVAIL
    with socket.socket(family, kind, proto) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(where)
            one.listen(1)
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _judge_hub(hub: HubInfo, problems: list[str]) -> None:
    if hub.protocol != PROTOCOL:
        problems.append(f"the hub speaks protocol {hub.protocol}, this farhand {PROTOCOL}: update the older one")
    if hub.draining:
        problems.append("the hub is draining, it takes no new work: wait for the next one, or start it")
    if not hub.workers:
        problems.append("no worker is connected: start one with `farhand worker MODULE:APP`")


def _judge_groups(hub: HubInfo, workers: list[WorkerView], found: Findings) -> None:
    for group in hub.groups:
        states = Counter(one.state for one in workers if one.info.group == group.name)
        shown = [f"{states[state]} {state.value}" for state in WorkerState if states[state]]
        work = f"{group.running} running, {group.waiting} waiting"
        found.groups[group.name] = f"{', '.join(shown) or 'no worker'}; {work}"
        if states and not states[WorkerState.READY]:
            found.problems.append(
                f"group {group.name!r} has only workers that are {' or '.join(sorted(states))}: start another one with "
                f"`farhand worker MODULE:APP --group {group.name}`, or look at what keeps them busy"
            )
        elif not states and group.waiting:
            found.problems.append(
                f"group {group.name!r} has no worker, and {group.waiting} jobs wait for one since "
                f"{group.waiting_for:.0f} s: start one with `farhand worker MODULE:APP --group {group.name}`, or "
                "correct the callers' group"
            )
    own = found.settings["group"]
    if hub.workers and own["value"] not in found.groups:
        served = ", ".join(found.groups)
        found.problems.append(
            f"group {own['value']!r} (from {own['source']}) has no worker, groups with workers: {served}; start one "
            f"with `farhand worker MODULE:APP --group {own['value']}`, or set another group"
        )


def _reason(error: FarhandError) -> str:
    text = str(error).partition(" (")[2].partition("): ")[0] or str(error)
    return text.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
