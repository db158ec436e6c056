"""snakepit-worker: a worker that a Snakepit pool starts, calls and ends."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farhand import config
from farhand.cli import output
from farhand.cli.flags import ConfigFile, LogFormat, LogLevel

if TYPE_CHECKING:
    from farhand.worker.links.snakepit import Commands

app = typer.Typer(add_completion=False)

READY_FILE = "SNAKEPIT_READY_FILE"
GRACE = 1.5
"""Seconds. A pool kills what has not ended 2 s after its SIGTERM."""
STUCK = 2.0
"""Seconds beyond its grace after which the process ends whatever its handlers do."""


@app.command(name="snakepit-worker")
def snakepit_worker(
    adapter: Annotated[
        str, typer.Option("--adapter", metavar="MODULE.CLASS|MODULE:APP|FILE.py", help="What to serve.")
    ] = "farhand.kits.snakepit.streams:app",
    port: Annotated[
        int | None, typer.Option("--port", help="Listen here; 0 for a free port; 50051 by default.", min=0, max=65535)
    ] = None,
    port_range: Annotated[
        int | None,
        typer.Option(
            "--port-range",
            help="How many ports after it to try if it is taken; none where --port is given, else 100.",
            min=0,
            max=65535,
        ),
    ] = None,
    slots: Annotated[int, typer.Option("--slots", help="Commands that run at once; more are refused.", min=1)] = 100,
    grace: Annotated[
        float, typer.Option("--grace", help="Seconds that running commands may take to finish at SIGTERM.", min=0)
    ] = GRACE,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
) -> None:
    """Serve commands to a Snakepit pool on loopback: handlers of an app, or methods of a class. SIGTERM drains."""
    from farhand.assembly import run_process
    from farhand.errors import FarhandError
    from farhand.kits.snakepit import load_adapter

    output.log_to_stderr(
        config.resolve(config.LOG_LEVEL, log_level).value, config.resolve(config.LOG_FORMAT, log_format).value
    )
    try:
        commands = load_adapter(adapter)
    except FarhandError:
        raise
    except Exception as error:
        output.show_crash(f"{adapter} can't be used: correct what the traceback shows", error)
        raise typer.Exit(1) from None
    from farhand.worker.links.snakepit import BASE_PORT, PORT_RANGE

    ports = (
        BASE_PORT if port is None else port,
        (PORT_RANGE if port is None else 0) if port_range is None else port_range,
    )
    raise typer.Exit(run_process(_serve(commands, adapter, slots, ports, grace)))


async def _serve(commands: Commands, adapter: str, slots: int, ports: tuple[int, int], grace: float) -> int:
    from farhand.assembly import build_snakepit
    from farhand.cli.signals import Signals
    from farhand.worker.links.served import ServedOptions

    signals = Signals()
    bridge = build_snakepit(commands, ServedOptions(reference=adapter, slots=slots))
    announce(await bridge.start(*ports))
    try:
        await signals.stop.wait()
        last_resort = threading.Timer(grace + STUCK, os._exit, (0,))  # for a handler that will not be cancelled
        last_resort.daemon = True
        last_resort.start()
        drain = asyncio.ensure_future(bridge.drain(grace))
        rush = asyncio.ensure_future(signals.hurry.wait())
        await asyncio.wait({drain, rush}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, rush):
            task.cancel()
    finally:
        await bridge.stop()
    return signals.status


def announce(port: int) -> None:
    """Say where a worker listens: in the file that ``SNAKEPIT_READY_FILE`` names, whole or not at all, and on
    stdout."""
    named = os.environ.get(READY_FILE)
    if named:
        path = Path(named)
        fd, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(fd, "w") as file:
            file.write(f"{port}\n")
        os.replace(written, path)
    output.ready(f"GRPC_SERVER_READY_ON_PORT={port}")
    output.ready(f"GRPC_READY:{port}")
