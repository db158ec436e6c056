"""schedules: the handlers that run at times, from the shell."""

from __future__ import annotations

import datetime
from typing import Any

import typer

from farhand import config
from farhand.cli import output
from farhand.cli.flags import AsJson, Hub

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def schedules(context: typer.Context, hub: Hub = None, json: AsJson = False) -> None:
    """List the handlers that run at times; `drop` and `fire` are for one of them."""
    context.obj = hub
    if context.invoked_subcommand is None:
        _list(_address(context, hub), json or not output.for_a_person())


@app.command()
def drop(context: typer.Context, name: str, hub: Hub = None) -> None:
    """Forget a schedule; a worker that asks for it brings it back when it connects."""
    from farhand.cli.asking import connected, interruptible

    async def work() -> None:
        async with connected(_address(context, hub)) as client:
            await client.drop_schedule(name)

    interruptible(work())


@app.command()
def fire(context: typer.Context, name: str, hub: Hub = None) -> None:
    """Add a job of a schedule now, beside its times, and print its id."""
    from farhand.cli.asking import connected, interruptible

    async def work() -> None:
        async with connected(_address(context, hub)) as client:
            output.ready((await client.fire_schedule(name)).id)

    interruptible(work())


def _address(context: typer.Context, hub: str | None) -> str:
    """The hub to dial; ``--hub`` may stand before the verb too."""
    address: str = config.resolve(config.HUB, hub or context.obj).value
    return address


def _list(hub: str, as_json: bool) -> None:
    from farhand.cli.asking import connected, interruptible

    async def work() -> list[Any]:
        async with connected(hub) as client:
            return list(await client.schedules())

    found = interruptible(work())
    if as_json:
        output.print_json(found)
        return
    rows = [
        (one.name, one.cron, one.timezone, _when(one.next_at), one.missed, str(one.fired), one.last_job)
        for one in found
    ]
    heads = ("schedule", "cron", "timezone", "next", "missed", "fired", "last job")
    output.listing(heads, rows, 'nothing runs by a schedule: give a handler one, as in schedule="*/5 * * * *"')


def _when(at: float | None) -> str:
    return "never" if at is None else datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
