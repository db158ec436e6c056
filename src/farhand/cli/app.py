"""The command's verbs and their flags."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated, Any

import typer

from farhand import config
from farhand.cli import output, schedules
from farhand.cli.output import Usage
from farhand.errors import AttemptsExhausted, FarhandError
from farhand.model.limits import RUN_TIMEOUT, STREAM_TIMEOUT

UsageError: type[Any] = typer.BadParameter.__bases__[0]
"""What the flags' parser raises; it has no public name."""

app = typer.Typer(name="farhand", add_completion=False, pretty_exceptions_enable=False)
app.add_typer(schedules.app, name="schedules")


def _set(variable: str) -> Any:
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
Group = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="The group of workers.")]
OnlyGroup = Annotated[str, typer.Option("--group", metavar="GROUP", help="Only this group.")]
Grace = Annotated[
    float | None, typer.Option("--grace", help="Seconds that running work may take to finish at SIGTERM.")
]
Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds until the call is given up.")]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label; may be repeated.")]
Pairs = Annotated[list[str] | None, typer.Argument(metavar="[key=value | key:=json]...", help="Arguments by name.")]
JsonArgs = Annotated[str | None, typer.Option("--json", metavar="'{…}'|@FILE|-", help="All arguments as one object.")]
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
        callback=_set(config.FILE_VARIABLE),
        is_eager=True,
    ),
]


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show farhand's own traceback of an error.", callback=_set("FARHAND_DEBUG"))
    ] = False,
    config_file: ConfigFile = None,
) -> None:
    """Run your Python where the data, the GPU or the database is, and bring the answer back live."""
    if version:
        from importlib.metadata import version as installed

        print(installed("farhand"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.get_help()
        raise typer.Exit(2)


@app.command()
def hub(
    grpc: Listen = None,
    http: Http = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="Keep durable jobs here: sqlite:///FILE, postgresql://…, or memory: to forget.",
        ),
    ] = None,
    lease: Annotated[
        float | None,
        typer.Option("--lease", help="Seconds until a durable job of a lost worker or hub is tried again."),
    ] = None,
    grace: Grace = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
) -> None:
    """Start a hub. SIGTERM drains it; a second one stops it at once."""
    from farhand.cli import serving

    _log(log_level, log_format)
    wanted = serving.HubOptions(
        address=config.resolve(config.GRPC, grpc).value,
        http=_http(http),
        store=config.resolve(config.STORE, store).value,
        lease=config.resolve(config.LEASE, lease).value,
        grace=config.resolve(config.GRACE, grace).value,
    )
    raise typer.Exit(serving.run_hub(wanted))


@app.command()
def worker(
    target: Annotated[str, typer.Argument(metavar="MODULE:APP|FILE.py", help="The app to serve.")],
    hub: Hub = None,
    group: Group = None,
    slots: Annotated[int | None, typer.Option("--slots", help="Jobs taken at once.")] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", help="Worker processes to start and keep running.")
    ] = None,
    label: Labels = None,
    id: Annotated[
        str, typer.Option("--id", help="A unique name, made up by default; of several processes each gets a number.")
    ] = "",
    grace: Grace = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
) -> None:
    """Serve an app's handlers to a hub. SIGTERM drains; a second one stops at once."""
    from farhand.cli import serving
    from farhand.worker.worker import WorkerOptions

    log = _log(log_level, log_format)
    count = config.resolve(config.PROCESSES, processes).value
    grace_seconds = config.resolve(config.GRACE, grace).value
    wanted = WorkerOptions(
        hub=config.resolve(config.HUB, hub).value,
        group=config.resolve(config.GROUP, group).value,
        slots=config.resolve(config.SLOTS, slots).value,
        labels=output.labels(label),
        id=id,
        reference=target,
    )
    if count == 1:
        raise typer.Exit(serving.run_worker(target, wanted, grace_seconds))
    from farhand.cli.supervisor import Pool, supervise

    commands = [
        _worker_command(wanted, f"{id}-{number}" if id else "", grace_seconds, log) for number in range(1, count + 1)
    ]
    raise typer.Exit(supervise(Pool(commands=commands, grace=grace_seconds)))


@app.command()
def dev(
    file: Annotated[str, typer.Argument(metavar="FILE.py", help="The app's file; FILE.py:NAME for one of several.")],
    grpc: Listen = None,
    http: Http = None,
    group: Group = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
) -> None:
    """Hub and worker in one command; the worker starts again when a file that it has imported changes."""
    from farhand.cli.dev import Options, run_dev

    log = _log(log_level, log_format)
    wanted = Options(
        target=file,
        address=config.resolve(config.GRPC, grpc).value,
        http=_http(http),
        group=config.resolve(config.GROUP, group).value,
        flags=log,
    )
    raise typer.Exit(asyncio.run(run_dev(wanted)))


@app.command()
def run(
    handler: str,
    pairs: Pairs = None,
    json: JsonArgs = None,
    hub: Hub = None,
    group: Group = None,
    timeout: Timeout = None,
    label: Labels = None,
) -> None:
    """Run a handler and print its result as JSON. `a=1` follows the handler's schema, `a:=1` is JSON."""
    from farhand.cli import asking

    asking.run(_ask(handler, pairs, json, hub, group, timeout, label, RUN_TIMEOUT))


@app.command()
def stream(
    handler: str,
    pairs: Pairs = None,
    json: JsonArgs = None,
    hub: Hub = None,
    group: Group = None,
    timeout: Timeout = None,
    label: Labels = None,
) -> None:
    """Run a handler and print each chunk as a line of JSON; progress and printed text go to stderr."""
    from farhand.cli import asking

    asking.stream(_ask(handler, pairs, json, hub, group, timeout, label, STREAM_TIMEOUT))


@app.command()
def cancel(job: str, hub: Hub = None) -> None:
    """Cancel a job and print the receipt."""
    from farhand.cli import asking

    asking.cancel(job, config.resolve(config.HUB, hub).value)


@app.command()
def submit(
    handler: str,
    pairs: Pairs = None,
    json: JsonArgs = None,
    hub: Hub = None,
    group: Group = None,
    label: Labels = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds that one attempt may take.")] = None,
    retries: Annotated[
        int | None, typer.Option("--retries", help="How often it is tried again after it failed.", min=0)
    ] = None,
    priority: Annotated[int, typer.Option("--priority", help="Higher goes first.")] = 0,
    delay: Annotated[float, typer.Option("--delay", help="Seconds until it may begin.")] = 0.0,
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="The same key gives the same job for a day.")] = "",
    cache: Annotated[
        bool | None,
        typer.Option("--cache/--no-cache", help="Let a job that does or did the same work stand for it, or not."),
    ] = None,
    cache_for: Annotated[
        float | None, typer.Option("--cache-for", metavar="SECONDS", help="As --cache, for so long.")
    ] = None,
    cache_failures: Annotated[bool, typer.Option("--cache-failures", help="As --cache, failures too.")] = False,
    after: Annotated[list[str] | None, typer.Option("--after", metavar="JOB", help="Begin after this job.")] = None,
    input: Annotated[
        list[str] | None, typer.Option("--input", metavar="ARGUMENT=JOB", help="An argument: the result of this job.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print JSON: id, how it was come by, cached, status.")] = False,
) -> None:
    """Submit a durable job and print its id; it survives the hub, the worker and this command."""
    from farhand.cli import jobs as verbs
    from farhand.cli.arguments import given

    order = verbs.Order(
        handler=handler,
        given=given(pairs or [], json),
        hub=config.resolve(config.HUB, hub).value,
        options={
            "group": config.resolve(config.GROUP, group).value,
            "labels": output.labels(label),
            "timeout": timeout,
            "retries": retries,
            "priority": priority,
            "delay": delay,
            "idempotency_key": key or None,
            "cache": _cache(cache, cache_for, cache_failures),
            "cache_failures": cache_failures,
            "after": after or [],
            "inputs": output.pairs_of(input, "--input", "data=JOB"),
        },
        full=full,
    )
    verbs.submit(order)


def _cache(cache: bool | None, seconds: float | None, failures: bool) -> bool | float | None:
    """What `submit` is told; None: as the handler declares."""
    if seconds is not None:
        return seconds
    return True if failures and cache is None else cache


@app.command()
def watch(
    job: str,
    from_offset: Annotated[int, typer.Option("--from", metavar="N", help="The first entry wanted, from 0.")] = 0,
    hub: Hub = None,
) -> None:
    """Print a durable job's log as lines of JSON, what is there and what comes, up to its end."""
    from farhand.cli import jobs as verbs

    verbs.watch(job, from_offset, config.resolve(config.HUB, hub).value)


@app.command()
def result(
    job: str,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds to wait; the job runs on.")] = None,
    hub: Hub = None,
) -> None:
    """Wait for a durable job's end and print its result as JSON."""
    from farhand.cli import jobs as verbs

    verbs.result(job, timeout, config.resolve(config.HUB, hub).value)


@app.command()
def retry(job: str, hub: Hub = None) -> None:
    """Start an ended durable job anew and print the new one's id."""
    from farhand.cli import jobs as verbs

    verbs.retry(job, config.resolve(config.HUB, hub).value)


@app.command()
def uncache(handler: str, pairs: Pairs = None, json: JsonArgs = None, hub: Hub = None, group: Group = None) -> None:
    """Let a handler's finished jobs answer for equal work no more, all or those of these arguments; print how many."""
    from farhand.cli import jobs as verbs
    from farhand.cli.arguments import given

    where = config.resolve(config.GROUP, group).value
    verbs.uncache(handler, given(pairs or [], json), where, config.resolve(config.HUB, hub).value)


@app.command()
def jobs(
    hub: Hub = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only in this state; may be repeated.")] = None,
    handler: Annotated[str, typer.Option("--handler", metavar="NAME", help="Only of this handler.")] = "",
    group: OnlyGroup = "",
    label: Labels = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1, max=1000)] = 50,
    before: Annotated[str, typer.Option("--before", metavar="JOB", help="Only those older than this one.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="Only those that failed at each of their attempts.")] = False,
    json: AsJson = False,
) -> None:
    """List durable jobs, newest first."""
    from farhand.cli import jobs as verbs

    wanted: Any = {
        "status": status or [],
        "error": AttemptsExhausted.code if dead else "",
        "handler": handler,
        "group": group,
        "labels": output.labels(label),
        "limit": limit,
        "before": before,
    }
    verbs.jobs(config.resolve(config.HUB, hub).value, wanted, json or not output.for_a_person())


@app.command()
def workers(hub: Hub = None, group: OnlyGroup = "", json: AsJson = False) -> None:
    """List the connected workers."""
    from farhand.cli import listing

    listing.workers(config.resolve(config.HUB, hub).value, group, json or not output.for_a_person())


@app.command()
def handlers(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Show all of this one.")] = "",
    hub: Hub = None,
    group: OnlyGroup = "",
    json: AsJson = False,
) -> None:
    """List the handlers that can be called, or show one with its arguments, result and a command that calls it."""
    from farhand.cli import listing

    address, as_json = config.resolve(config.HUB, hub).value, json or not output.for_a_person()
    if name:
        listing.handler(address, group, name, as_json)
    else:
        listing.handlers(address, group, as_json)


@app.command()
def doctor(hub: Hub = None, json: AsJson = False, config_file: ConfigFile = None) -> None:
    """Say what is installed and set, whether a hub answers or could start, and what its groups lack."""
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
    default_timeout: float,
) -> Any:
    from farhand.cli.arguments import given
    from farhand.cli.asking import Ask

    return Ask(
        handler=handler,
        given=given(pairs or [], json),
        hub=config.resolve(config.HUB, hub).value,
        group=config.resolve(config.GROUP, group).value,
        timeout=config.resolve(config.TIMEOUT, timeout).value or default_timeout,
        labels=output.labels(label),
    )


def _http(flag: str | None) -> str | None:
    """Where a hub serves HTTP; None for not at all."""
    address = config.resolve(config.HTTP, flag).value
    return None if address == config.OFF else address


def _log(level: str | None, form: str | None) -> list[str]:
    """Begin to log; the flags that make a process below this one log alike."""
    chosen = config.resolve(config.LOG_LEVEL, level).value, config.resolve(config.LOG_FORMAT, form).value
    output.log_to_stderr(*chosen)
    return ["--log-level", chosen[0], "--log-format", chosen[1]]


def _worker_command(options: Any, id: str, grace: float, log: list[str]) -> list[str]:
    """The arguments of one process of a pool; nothing in it depends on settings any more."""
    labels = [flag for key, value in options.labels.items() for flag in ("--label", f"{key}={value}")]
    where = ["--hub", options.hub, "--group", options.group, "--slots", str(options.slots)]
    how = ["--processes", "1", "--grace", f"{grace:g}", *(["--id", id] if id else []), *log]
    return ["worker", options.reference, *where, *labels, *how]


def run_app() -> None:
    """Run the command; what goes wrong becomes one clear line and a status."""
    try:
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        output.show_error(Usage(_said(error)))
        status = 2
    except FarhandError as error:
        if os.environ.get("FARHAND_DEBUG"):
            raise
        output.show_error(error)
        status = 2 if isinstance(error, Usage | config.BadSetting) or error.code == "APP_NOT_FOUND" else 1
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    sys.exit(status)


def _said(error: Any) -> str:
    """A parser's complaint in one line."""
    where = error.ctx.command_path if error.ctx else "farhand"
    return f"{' '.join(error.format_message().split()).rstrip('.')} (`{where} --help` shows how)"
