"""The command's verbs and their flags."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from farhand import config
from farhand.cli import output
from farhand.errors import FarhandError

app = typer.Typer(name="farhand", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Hub = Annotated[str | None, typer.Option("--hub", metavar="HOST:PORT", help="The hub to dial.")]
Group = Annotated[str | None, typer.Option("--group", help="The group of workers.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds until the job is given up.")]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label; may be repeated.")]
Pairs = Annotated[list[str] | None, typer.Argument(metavar="[key=value | key:=json]...", help="Arguments by name.")]
JsonArgs = Annotated[str | None, typer.Option("--json", metavar="'{…}'|@FILE|-", help="All arguments as one object.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Run your Python where the data, the GPU or the database is, and bring the answer back live."""
    if version:
        from importlib.metadata import version as installed

        print(installed("farhand"))
        raise typer.Exit


@app.command()
def hub(
    grpc: Annotated[
        str | None, typer.Option("--grpc", metavar="HOST:PORT", help="Listen here; port 0: a free one.")
    ] = None,
    grace: Annotated[
        float | None, typer.Option(help="Seconds that running work may take to finish at SIGTERM.")
    ] = None,
) -> None:
    """Start a hub. SIGTERM drains it; a second one stops it at once."""
    from farhand.cli import serving

    output.log_to_stderr()
    address = config.resolve(config.GRPC, grpc).value
    raise typer.Exit(asyncio.run(serving.run_hub(address, config.resolve(config.GRACE, grace).value)))


@app.command()
def worker(
    target: Annotated[str, typer.Argument(metavar="MODULE:APP|FILE.py", help="The app to serve.")],
    hub: Hub = None,
    group: Group = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Jobs taken at once.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Worker processes to start and keep running.")] = None,
    label: Labels = None,
    id: Annotated[str, typer.Option("--id", help="A unique name; made up by default.")] = "",
    grace: Annotated[
        float | None, typer.Option(help="Seconds that running work may take to finish at SIGTERM.")
    ] = None,
) -> None:
    """Serve an app's handlers to a hub. SIGTERM drains; a second one stops at once."""
    from farhand.cli import serving
    from farhand.worker.worker import WorkerOptions

    output.log_to_stderr()
    count = config.resolve(config.PROCESSES, processes).value
    grace_seconds = config.resolve(config.GRACE, grace).value
    if count > 1:
        raise typer.Exit(serving.supervise(count, sys.argv[1:], grace_seconds))
    wanted = WorkerOptions(
        hub=config.resolve(config.HUB, hub).value,
        group=config.resolve(config.GROUP, group).value,
        slots=config.resolve(config.SLOTS, slots).value,
        labels=output.labels(label),
        id=id,
        reference=target,
    )
    raise typer.Exit(serving.run_worker(target, wanted, grace_seconds))


@app.command()
def dev(
    file: Annotated[Path, typer.Argument(metavar="FILE.py", exists=True, dir_okay=False, help="The app's file.")],
    grpc: Annotated[str | None, typer.Option("--grpc", metavar="HOST:PORT", help="Listen here.")] = None,
) -> None:
    """Hub and worker in one command; the worker restarts when a Python file beside the app changes."""
    from farhand.cli import serving

    output.log_to_stderr()
    raise typer.Exit(asyncio.run(serving.run_dev(file, config.resolve(config.GRPC, grpc).value)))


@app.command()
def run(
    handler: str,
    pairs: Pairs = None,
    json: JsonArgs = None,
    hub: Hub = None,
    group: Group = None,
    timeout: Timeout = 30.0,
    label: Labels = None,
) -> None:
    """Run a handler and print its result as JSON. `a=1` follows the handler's schema, `a:=1` is JSON."""
    from farhand.cli import asking

    asking.run(_ask(handler, pairs, json, hub, group, timeout, label))


@app.command()
def stream(
    handler: str,
    pairs: Pairs = None,
    json: JsonArgs = None,
    hub: Hub = None,
    group: Group = None,
    timeout: Timeout = 300.0,
    label: Labels = None,
) -> None:
    """Run a handler and print each chunk as a line of JSON; progress and printed text go to stderr."""
    from farhand.cli import asking

    asking.stream(_ask(handler, pairs, json, hub, group, timeout, label))


@app.command()
def cancel(job: str, hub: Hub = None) -> None:
    """Cancel a job and print the receipt."""
    from farhand.cli import asking

    asking.cancel(job, config.resolve(config.HUB, hub).value)


@app.command()
def workers(
    hub: Hub = None, group: Annotated[str, typer.Option(help="Only this group.")] = "", json: AsJson = False
) -> None:
    """List the connected workers."""
    from farhand.cli import asking

    asking.workers(config.resolve(config.HUB, hub).value, group, json)


@app.command()
def handlers(
    hub: Hub = None, group: Annotated[str, typer.Option(help="Only this group.")] = "", json: AsJson = False
) -> None:
    """List the handlers that can be called, with their arguments."""
    from farhand.cli import asking

    asking.handlers(config.resolve(config.HUB, hub).value, group, json)


@app.command()
def doctor(hub: Hub = None, json: AsJson = False) -> None:
    """Say what is installed and set, whether the hub answers, and what its groups lack."""
    from farhand.cli.doctor import examine

    raise typer.Exit(examine(hub, json))


@app.command()
def demo() -> None:
    """Everything at once, on real data: Python's own standard library. Ends by itself."""
    from farhand.cli.demo.show import show

    raise typer.Exit(asyncio.run(show()))


def _ask(
    handler: str,
    pairs: list[str] | None,
    json: str | None,
    hub: str | None,
    group: str | None,
    timeout: float | None,
    label: list[str] | None,
) -> Any:
    from farhand.cli.asking import Ask

    return Ask(
        handler=handler,
        pairs=pairs or [],
        json=json,
        hub=config.resolve(config.HUB, hub).value,
        group=config.resolve(config.GROUP, group).value,
        timeout=timeout,
        labels=output.labels(label),
    )


def run_app() -> None:
    """Run the command; farhand's own errors become one clear block and a status."""
    try:
        app()
    except FarhandError as error:
        if os.environ.get("FARHAND_DEBUG"):
            raise
        output.show_error(error)
        sys.exit(2 if isinstance(error, config.BadSetting) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
