"""What is installed and set, whether the hub answers, and what its groups lack."""

from __future__ import annotations

import asyncio
import platform
import time
from importlib.metadata import version
from typing import Any

from rich.table import Table

from farhand import config
from farhand.cli import output
from farhand.client.aio import AsyncClient, HubInfo
from farhand.errors import FarhandError
from farhand.model.limits import PROTOCOL

PACKAGES = ("farhand", "grpcio", "protobuf", "msgspec", "typer", "rich", "structlog")


def examine(hub: str | None, as_json: bool) -> int:
    """Print the findings; 1 if something is wrong."""
    address = config.resolve(config.HUB, hub)
    settings = {
        one.name: {"value": found.value, "source": found.source}
        for one in config.SETTINGS
        for found in [address if one is config.HUB else config.resolve(one)]
    }
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    problems: list[str] = []
    facts = asyncio.run(_ask(address.value, problems))
    if as_json:
        output.print_json({"versions": versions, "settings": settings, "hub": facts, "problems": problems})
        return 1 if problems else 0
    _table("versions", list(versions.items()))
    _table("settings", [(name, f"{one['value']}  ({one['source']})") for name, one in settings.items()])
    _table(f"hub at {address.value}", [(name, str(text)) for name, text in facts.items()])
    for problem in problems:
        output.stdout.print(f"[red]✗[/] {problem}")
    if not problems:
        output.stdout.print("[green]✓[/] all is well")
    return 1 if problems else 0


def _table(title: str, rows: list[tuple[str, str]]) -> None:
    output.stdout.print(f"[bold]{title}[/]")
    table = Table(show_header=False, box=None, padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    output.stdout.print(table)


async def _ask(address: str, problems: list[str]) -> dict[str, Any]:
    async with AsyncClient(address, connect_timeout=3.0) as client:
        try:
            await client.hub()
            began = time.perf_counter()
            hub = await client.hub()
            took = time.perf_counter() - began
        except FarhandError as error:
            problems.append(f"no hub answers at {address} ({error}): start one with `farhand hub`, or set --hub")
            return {"answers": "no"}
    _judge(hub, problems)
    return {
        "answers": f"in {took * 1000:.1f} ms",
        "version": hub.version,
        "protocol": hub.protocol,
        "up for": f"{hub.up_for:.0f} s",
        "workers": hub.workers,
        "running": hub.running,
        "waiting": hub.waiting,
        "groups": ", ".join(f"{one.name} ({one.workers})" for one in hub.groups) or "none",
    }


def _judge(hub: HubInfo, problems: list[str]) -> None:
    if hub.protocol != PROTOCOL:
        problems.append(f"the hub speaks protocol {hub.protocol}, this farhand {PROTOCOL}: update the older one")
    if hub.draining:
        problems.append("the hub is draining: it takes no new work")
    if not hub.workers:
        problems.append("no worker is connected: start one with `farhand worker MODULE:APP`")
    problems += [
        f"group {one.name!r} has no worker, and {one.waiting} jobs wait for one since {one.waiting_for:.0f} s: "
        f"start one with `farhand worker MODULE:APP --group {one.name}`, or correct the callers' group"
        for one in hub.groups
        if not one.workers and one.waiting
    ]
