"""devaria-runner: pulls Devaria's jobs over HTTP and runs them; and what a hub is told of Devaria's door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farhand import config

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command("devaria-runner")
def devaria_runner(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE]", help="Its JOB_HANDLERS, or MODULE:APP; by default hello_world alone."),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Pull from here.")] = None,
    slots: Annotated[int, typer.Option("--slots", help="Jobs to run at once.", min=1, max=100)] = 1,
) -> None:
    """Run jobs that are pulled over plain HTTP, with the key in DEVARIA_RUNNER_API_KEY. SIGTERM lets the current ones
    end; a second one stops at once."""
    from farhand.cli.pulling import run_runner

    raise typer.Exit(
        run_runner(
            target or "",
            config.resolve(config.DEVARIA_URL, url).value,
            config.resolve(config.DEVARIA_RUNNER_KEY).value or "",
            slots,
        )
    )
