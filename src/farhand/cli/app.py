"""The command's verbs and their flags."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated, Any

import typer

from farhand import config
from farhand.cli import devaria, durable, new, output, schedules, snakepit, sql
from farhand.cli.flags import (
    AsJson,
    BlobBudget,
    Blobs,
    ConfigFile,
    Debug,
    Grace,
    Group,
    Http,
    Hub,
    JsonArgs,
    Labels,
    Listen,
    LogFormat,
    LogLevel,
    NextflowPolicy,
    OnlyGroup,
    OutFolder,
    OutPath,
    Pairs,
    Timeout,
)
from farhand.cli.output import Usage
from farhand.errors import FarhandError
from farhand.model.limits import RUN_TIMEOUT, STREAM_TIMEOUT

UsageError: type[Any] = typer.BadParameter.__bases__[0]
"""What the flags' parser raises; it has no public name."""

app = typer.Typer(name="farhand", add_completion=False, pretty_exceptions_enable=False)
app.add_typer(durable.app)
app.add_typer(devaria.app)
app.add_typer(snakepit.app)
app.add_typer(schedules.app, name="schedules")
app.add_typer(new.app, name="new")
app.add_typer(sql.app)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Debug = False,
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
    keep: Annotated[
        int | None,
        typer.Option("--keep", help="Newest ended durable jobs kept of a handler that doesn't say; 0 for all."),
    ] = None,
    keep_for: Annotated[
        float | None,
        typer.Option("--keep-for", help="Seconds an ended durable job of such a handler is kept; 0 for ever."),
    ] = None,
    blobs: Blobs = None,
    blob_budget: BlobBudget = None,
    nextflow_policy: NextflowPolicy = None,
    grace: Grace = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
) -> None:
    """Start a hub. SIGTERM drains it; a second one stops it at once."""
    from farhand.cli import serving
    from farhand.cli.doors import doors
    from farhand.model.durable import Keep

    _log(log_level, log_format)
    wanted = serving.HubOptions(
        address=config.resolve(config.GRPC, grpc).value,
        http=_http(http),
        store=config.resolve(config.STORE, store).value,
        lease=config.resolve(config.LEASE, lease).value,
        keep=Keep(
            jobs=config.resolve(config.KEEP, keep).value,
            seconds=config.resolve(config.KEEP_FOR, keep_for).value,
        ),
        blobs=config.resolve(config.BLOBS, blobs).value,
        blob_budget=config.resolve(config.BLOB_BUDGET, blob_budget).value,
        doors=doors(nextflow_policy),
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
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="HOST:PORT",
            help="Let clients fetch large results here directly; the host as they reach it, port 0 for a free one.",
        ),
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
        data=data,
    )
    if count == 1:
        raise typer.Exit(serving.run_worker(target, wanted, grace_seconds))
    from farhand.cli.supervisor import Pool, supervise

    if data and not data.endswith(":0"):
        raise Usage(f"{count} processes can't share the data port {data}: port 0 takes a free one for each")
    commands = [
        _worker_command(wanted, f"{id}-{number}" if id else "", grace_seconds, log) for number in range(1, count + 1)
    ]
    raise typer.Exit(supervise(Pool(commands=commands, grace=grace_seconds)))


@app.command()
def service(
    target: Annotated[
        str, typer.Argument(metavar="MODULE[:APP]|FILE.py", help="The app, or a module with execute_Name functions.")
    ],
    proto: Annotated[
        list[str] | None,
        typer.Option("--proto", metavar="MODULE_pb2", help="A compiled proto whose services are served; repeatable."),
    ] = None,
    port: Annotated[int, typer.Option("--port", envvar="PORT", help="Take orders here over HTTP.")] = 8080,
    grpc_port: Annotated[
        int, typer.Option("--grpc-port", envvar="GRPC_PORT", help="Hand data out here over gRPC.")
    ] = 50051,
    grpc_host: Annotated[
        str, typer.Option("--grpc-host", envvar="GRPC_HOST", help="The host in references: what others call this one.")
    ] = "localhost",
    host: Annotated[
        str,
        typer.Option("--host", envvar="SERVICE_HOST", help="Listen here; any but this machine's own needs a key."),
    ] = "127.0.0.1",
    api_key: Annotated[
        str,
        typer.Option("--api-key", envvar="SERVICE_API_KEY", show_envvar=True, help="The key that orders must bear."),
    ] = "",
    upstreams: Annotated[
        str,
        typer.Option(
            "--upstreams", envvar="SERVICE_UPSTREAMS", help="Hosts that inputs may come from; any, where none is named."
        ),
    ] = "",
    files: Annotated[
        str, typer.Option("--files", envvar="SERVICE_FILES", help="Folders below which inputs may be files; none.")
    ] = "",
    store: Annotated[
        str, typer.Option("--store", metavar="URL", help="Keep tasks here: sqlite:///FILE, or memory: to forget.")
    ] = "memory:",
    slots: Annotated[int | None, typer.Option("--slots", help="Tasks that run at once.")] = None,
    task_timeout: Annotated[float, typer.Option("--task-timeout", help="Seconds that one task may take.")] = 86400.0,
    disk: Annotated[float, typer.Option("--disk", help="GiB that results and inputs may take.")] = 20.0,
    grace: Grace = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config_file: ConfigFile = None,
) -> None:
    """Serve an app's handlers to an orchestrator: orders over HTTP, data over gRPC in your own protos."""
    from farhand.cli import service as serving
    from farhand.kits.service.options import ServiceOptions
    from farhand.kits.service.policy import Policy, names

    _log(log_level, log_format)
    if not (0 <= port <= 65535 and 0 <= grpc_port <= 65535):
        raise Usage("a port is 0 to 65535")
    if not (task_timeout > 0 and disk > 0):
        raise Usage("--task-timeout and --disk are more than 0")
    wanted = ServiceOptions(
        target=target,
        protos=tuple(proto or ()),
        host=host,
        port=port,
        grpc_port=grpc_port,
        public=grpc_host,
        key=api_key,
        policy=Policy(upstreams=names(upstreams), files=names(files)),
        store=store,
        slots=config.resolve(config.SLOTS, slots).value,
        timeout=task_timeout,
        disk=int(disk * 1024**3),
    )
    raise typer.Exit(serving.run_service(wanted, config.resolve(config.GRACE, grace).value))


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
    out: OutPath = "",
) -> None:
    """Run a handler and print its result as JSON. `a=1` follows the handler's schema, `a:=1` is JSON."""
    from farhand.cli import asking

    asking.run(_ask(handler, pairs, json, hub, group, timeout, label, RUN_TIMEOUT), out)


@app.command()
def stream(
    handler: str,
    pairs: Pairs = None,
    json: JsonArgs = None,
    hub: Hub = None,
    group: Group = None,
    timeout: Timeout = None,
    label: Labels = None,
    out: OutFolder = "",
) -> None:
    """Run a handler and print each chunk as a line of JSON; progress and printed text go to stderr."""
    from farhand.cli import asking

    asking.stream(_ask(handler, pairs, json, hub, group, timeout, label, STREAM_TIMEOUT), out)


@app.command()
def cancel(job: str, hub: Hub = None) -> None:
    """Cancel a job and print the receipt."""
    from farhand.cli import asking

    asking.cancel(job, config.resolve(config.HUB, hub).value)


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
    how += ["--data", options.data] if options.data else []
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
