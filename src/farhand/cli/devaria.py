"""devaria-runner: pulls Devaria's jobs over HTTP and runs them; and what a hub is told of Devaria's door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farhand import config

if TYPE_CHECKING:
    from farhand.fronts.devaria.options import DevariaOptions

app = typer.Typer(add_completion=False)


def hub_options() -> DevariaOptions:
    """What the settings say of Devaria's door.

    Raises:
        BadSetting: one of them makes no sense.
    """
    from farhand.fronts.devaria.options import DevariaOptions

    hosts = config.resolve(config.DEVARIA_PAGE_HOSTS).value or ""
    return DevariaOptions(
        submit_key=config.resolve(config.DEVARIA_SUBMIT_KEY).value or "",
        runner_key=config.resolve(config.DEVARIA_RUNNER_KEY).value or "",
        admin_key=config.resolve(config.DEVARIA_ADMIN_KEY).value or "",
        group=config.resolve(config.DEVARIA_GROUP).value,
        lease=config.resolve(config.DEVARIA_LEASE).value,
        submit_rate=config.resolve(config.DEVARIA_SUBMIT_RATE).value,
        status_rate=config.resolve(config.DEVARIA_STATUS_RATE).value,
        runner_rate=config.resolve(config.DEVARIA_RUNNER_RATE).value,
        page_hosts=tuple(one.strip() for one in hosts.split(",") if one.strip()),
    )


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
