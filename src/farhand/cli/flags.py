"""Flags that several of the command's verbs share."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from farhand import config


def set_variable(variable: str) -> Any:
    """A callback that hands a flag on to processes below this one, as this variable."""

    def remember(value: Any) -> Any:
        if value:
            os.environ[variable] = str(value)  # so that worker processes below this one see it too
        return value

    return remember


Hub = Annotated[str | None, typer.Option("--hub", metavar="HOST:PORT", help="The hub to dial.")]
Listen = Annotated[
    str | None, typer.Option("--grpc", metavar="HOST:PORT", help="Listen here; loopback only; port 0 is a free one.")
]
Http = Annotated[
    str | None,
    typer.Option("--http", metavar="HOST:PORT|off", help="Serve HTTP here, loopback only, or not at all."),
]
Blobs = Annotated[
    str | None,
    typer.Option(
        "--blobs", metavar="URL", help="Keep large payloads here: file:///FOLDER, s3://BUCKET/PREFIX, memory:."
    ),
]
BlobBudget = Annotated[
    str | None,
    typer.Option(
        "--blob-budget", metavar="SIZE", help="Large payloads of durable jobs take at most so much, as in 20GiB."
    ),
]
NextflowPolicy = Annotated[
    str | None,
    typer.Option("--nextflow-policy", metavar="HANDLER", help="Who decides what Nextflow and plugins are answered."),
]
Group = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="The group of workers.")]
OnlyGroup = Annotated[str, typer.Option("--group", metavar="GROUP", help="Only this group.")]
Grace = Annotated[
    float | None, typer.Option("--grace", help="Seconds that running work may take to finish at SIGTERM.")
]
Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds until the call is given up.")]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label; may be repeated.")]
Pairs = Annotated[
    list[str] | None, typer.Argument(metavar="[key=value | key:=json | key=@FILE]...", help="Arguments by name.")
]
JsonArgs = Annotated[str | None, typer.Option("--json", metavar="'{…}'|@FILE|-", help="All arguments as one object.")]
OutPath = Annotated[
    str,
    typer.Option(
        "--out",
        metavar="PATH",
        help="Write the result here: a file or bytes as they are, all else as JSON; a folder takes the files in it.",
    ),
]
OutFolder = Annotated[
    str, typer.Option("--out", metavar="FOLDER", help="Put files here, rather than show them as base64.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as where stdout isn't a terminal.")]
LogLevel = Annotated[
    str | None, typer.Option("--log-level", metavar="|".join(config.LEVELS), help="The least that is logged.")
]
LogFormat = Annotated[
    str | None, typer.Option("--log-format", metavar="|".join(config.FORMATS), help="The form of the log on stderr.")
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"Settings file in place of {config.FILE}.",
        callback=set_variable(config.FILE_VARIABLE),
        is_eager=True,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show farhand's own traceback of an error.", callback=set_variable("FARHAND_DEBUG")),
]
