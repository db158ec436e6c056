"""submit, watch, result, retry, uncache and jobs: the flags of durable jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from farhand import config
from farhand.cli import output
from farhand.cli.flags import AsJson, Group, Hub, JsonArgs, Labels, OnlyGroup, OutPath, Pairs
from farhand.errors import AttemptsExhausted

app = typer.Typer(add_completion=False)

_TIMES = [f"%Y-%m-%d{between}%H:%M{rest}" for between in "T " for rest in ("", ":%S", ":%S%z")]


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
    backoff: Annotated[
        float | None, typer.Option("--backoff", help="Seconds before the second attempt at most, then doubling.")
    ] = None,
    never: Annotated[
        list[str] | None,
        typer.Option("--never", metavar="TYPE", help="An error, as ValueError, after which it isn't tried again."),
    ] = None,
    begin_within: Annotated[
        float | None, typer.Option("--begin-within", help="Seconds after which it expires unless it has begun.")
    ] = None,
    end_within: Annotated[
        float | None, typer.Option("--end-within", help="Seconds after which it expires unless it has ended.")
    ] = None,
    priority: Annotated[int, typer.Option("--priority", help="Higher goes first.")] = 0,
    delay: Annotated[float, typer.Option("--delay", help="Seconds until it may begin.")] = 0.0,
    run_at: Annotated[
        datetime | None,
        typer.Option(
            "--run-at",
            metavar="TIME",
            help="When it may begin, as 2027-01-31T06:00:00, by this machine's clocks, or with a zone, as +02:00.",
            formats=_TIMES,
        ),
    ] = None,
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
            "backoff": backoff,
            "never": never,
            "begin_within": begin_within,
            "end_within": end_within,
            "priority": priority,
            "delay": delay,
            "run_at": run_at,
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
    from_offset: Annotated[
        int | None,
        typer.Option("--from", metavar="N", help="The first entry wanted; by default the first that is kept."),
    ] = None,
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
    out: OutPath = "",
) -> None:
    """Wait for a durable job's end and print its result as JSON."""
    from farhand.cli import jobs as verbs

    verbs.result(job, timeout, config.resolve(config.HUB, hub).value, out)


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
