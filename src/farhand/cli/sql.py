"""sql-worker and sql: a worker beside databases, and a query to one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farhand import config
from farhand.cli import output
from farhand.cli.flags import ConfigFile, Debug, Grace, Group, Hub, Labels, LogFormat, LogLevel, Timeout
from farhand.cli.output import Usage
from farhand.errors import HandlerFailed
from farhand.model.limits import STREAM_TIMEOUT
from farhand.model.urls import shown

if TYPE_CHECKING:
    from farhand.cli.asking import Ask

SLOTS = 8
"""Queries at once, and so connections to each database, where nothing is said."""
FORMS = ("table", "json", "csv")

app = typer.Typer()


@app.command("sql-worker")
def sql_worker(
    database: Annotated[
        list[str],
        typer.Option(
            "--database",
            metavar="NAME=URL",
            help="A database; repeatable. postgresql://…, mysql://…, mariadb://…, sqlite:///FILE, or env:VARIABLE, "
            "which keeps a password off the command line.",
        ),
    ],
    hub: Hub = None,
    group: Group = None,
    slots: Annotated[
        int | None, typer.Option("--slots", help=f"Queries at once, and connections to a database; {SLOTS} by default.")
    ] = None,
    label: Labels = None,
    id: Annotated[str, typer.Option("--id", help="A unique name, made up by default.")] = "",
    sql_max_rows: Annotated[int | None, typer.Option("--sql-max-rows", help="Rows that one query may give.")] = None,
    sql_max_bytes: Annotated[
        str | None, typer.Option("--sql-max-bytes", metavar="SIZE", help="Bytes of rows that one may give, as in 4GiB.")
    ] = None,
    sql_timeout: Annotated[
        float | None, typer.Option("--sql-timeout", help="Seconds that one may take, to its last row.")
    ] = None,
    grace: Grace = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
    debug: Debug = False,
) -> None:
    """Serve sql.query and sql.tables for databases, which are only read. It dials the hub: no port is opened."""
    urls = output.pairs_of(database, "--database", "shop=postgresql://reader@localhost/shop")
    if len(urls) < len(database):
        raise Usage("--database: each database has a name of its own")
    _keep_passwords(urls)
    chosen = config.resolve(config.LOG_LEVEL, log_level).value, config.resolve(config.LOG_FORMAT, log_format).value
    output.log_to_stderr(*chosen)
    from farhand.worker.worker import WorkerOptions

    many = config.resolve(config.SLOTS, slots)
    options = WorkerOptions(
        hub=config.resolve(config.HUB, hub).value,
        group=config.resolve(config.GROUP, group).value,
        slots=SLOTS if many.source == "default" else many.value,
        labels=output.labels(label),
        id=id,
    )
    limits = {
        "max_rows": config.resolve(config.SQL_MAX_ROWS, sql_max_rows).value,
        "max_bytes": config.resolve(config.SQL_MAX_BYTES, sql_max_bytes).value,
        "timeout": config.resolve(config.SQL_TIMEOUT, sql_timeout).value,
    }
    raise typer.Exit(_serve(urls, options, limits, config.resolve(config.GRACE, grace).value))


def _serve(urls: dict[str, str], options: Any, limits: dict[str, Any], grace: float) -> int:
    from farhand.assembly import build_worker, new_loop, run_process
    from farhand.errors import Unavailable

    try:
        from farhand.kits.sql import sql_app
        from farhand.sql import Databases, Limits
    except ImportError as missing:
        raise Unavailable(str(missing), retryable=False) from missing
    databases = Databases(urls, slots=options.slots, limits=Limits(**limits))
    worker = build_worker(
        sql_app(databases), options, lambda id: output.ready(f"farhand sql-worker ready: {id}"), new_loop
    )
    return run_process(worker.run_with_signals(grace))


def _keep_passwords(urls: dict[str, str]) -> None:
    """Where a URL on the command line has a password, begin anew with it in a variable: the process list shows it no
    more."""
    secret = {name: url for name, url in urls.items() if shown(url) != url}
    command, variables = list(sys.orig_argv), dict(os.environ)
    for number, (name, url) in enumerate(secret.items(), 1):
        variable = f"FARHAND_SQL_URL_{number}"
        variables[variable] = url
        command = [word.replace(f"{name}={url}", f"{name}=env:{variable}") for word in command]
    if command != sys.orig_argv:
        sys.stdout.flush()
        os.execve(sys.executable, command, variables)


@app.command("sql")
def sql(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The group of workers that have the database.")],
    query: Annotated[
        str, typer.Argument(metavar="[QUERY|-]", help="One statement; - for stdin. Without it, tables are listed.")
    ] = "",
    database: Annotated[
        str, typer.Option("--database", metavar="NAME", help="The database, where the workers have several.")
    ] = "",
    to: Annotated[
        str,
        typer.Option("--to", metavar="|".join(FORMS), help="table, json (an object a line), or csv."),
    ] = "",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=TEXT|NAME:=JSON", help="What stands in for :NAME; repeatable."),
    ] = None,
    max_rows: Annotated[int | None, typer.Option("--max-rows", help="Stop after so many rows.")] = None,
    hub: Hub = None,
    timeout: Timeout = None,
) -> None:
    """Ask a database beside a worker and print the rows as they come. Ctrl-C ends the query at the database."""
    from farhand.cli.arguments import Given
    from farhand.cli.asking import Ask

    form = to or ("table" if output.for_a_person() else "json")
    if form not in FORMS:
        raise Usage(f"--to is one of {', '.join(FORMS)}, not {to!r}")
    if max_rows is not None and max_rows < 0:
        raise Usage("--max-rows is 0 or more")
    text = sys.stdin.read() if query == "-" else query
    args: dict[str, Any] = {"database": database}
    if text:
        args |= {"query": text, "params": _params(param or []), "max_rows": max_rows}
    elif query or param or max_rows is not None:
        raise Usage("there is no query: write one, as in farhand sql GROUP 'select 1'")
    ask = Ask(
        handler="sql.query" if text else "sql.tables",
        given=Given(args, {}, {}),
        hub=config.resolve(config.HUB, hub).value,
        group=config.resolve(config.GROUP, group).value,
        timeout=config.resolve(config.TIMEOUT, timeout).value or STREAM_TIMEOUT,
        labels={},
    )
    _ask(ask, args, form)


def _ask(ask: Ask, args: dict[str, Any], form: str) -> None:
    from farhand.cli.asking import connected, follow, interruptible, spec_of
    from farhand.cli.rows import printer, tables_as_rows

    printing = printer(form)

    async def work() -> None:
        async with connected(ask.hub) as client:
            await spec_of(ask, client)
            try:
                result = await follow(ask, client, args, printing.take)
            except HandlerFailed as error:  # the database's own words say it; where in farhand it was raised doesn't
                raise HandlerFailed(error.message, type=error.type.rpartition(".")[2]) from None
            if ask.handler == "sql.tables":
                for chunk in tables_as_rows(result):
                    printing.take(chunk)
                result = {"rows": printing.count, "truncated": False}
            printing.end(result)

    interruptible(work())


def _params(pairs: list[str]) -> dict[str, Any] | None:
    import msgspec

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        name = key.removesuffix(":")
        if not equals or not name or name in found:
            raise Usage(f"--param {pair!r} is not NAME=TEXT or NAME:=JSON, each name once")
        try:
            found[name] = value if key == name else msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise Usage(f"--param {name} is not JSON: {error}; for plain text write {name}=…") from None
    return found or None
