"""hub and worker: processes that serve until they are told to stop."""

from __future__ import annotations

import asyncio

import msgspec

from farhand.assembly import (
    Doors,
    RunningHub,
    build_worker,
    new_loop,
    open_blobs,
    open_store,
    run_process,
    serve_hub,
)
from farhand.cli import output
from farhand.cli.signals import Signals
from farhand.errors import FarhandError
from farhand.model.durable import Keep
from farhand.model.places import beside
from farhand.worker.loading import load_app
from farhand.worker.worker import WorkerOptions


class HubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`address` and `http` are where it listens, `http` None for not at all; `store` is a URL, and so is
    `blobs`, None for beside the store; times in seconds, `blob_budget` in bytes; `doors` is what other systems find."""

    address: str
    http: str | None
    store: str
    lease: float
    keep: Keep
    blobs: str | None
    blob_budget: int
    doors: Doors
    grace: float


def run_hub(options: HubOptions) -> int:
    """Serve a hub until a signal; its exit status."""
    return run_process(_serve_hub(options))


def ready_line(hub: RunningHub) -> str:
    """What says that a hub serves; the last word is the address that workers and clients dial."""
    http = f"http://{hub.http} and " if hub.http else ""
    return f"farhand hub ready on {http}{hub.address}"


async def _serve_hub(options: HubOptions) -> int:
    signals = Signals()
    store = await open_store(options.store)
    try:
        blobs = open_blobs(options.blobs or beside(options.store))
    except BaseException:
        await store.close()
        raise
    serving = serve_hub(
        options.address,
        store=store,
        lease=options.lease,
        http=options.http,
        keep=options.keep,
        blobs=blobs,
        blob_budget=options.blob_budget,
        doors=options.doors,
    )
    async with await serving as hub:
        output.ready(ready_line(hub))
        await signals.stop.wait()
        drain = asyncio.ensure_future(hub.drain(options.grace))
        rush = asyncio.ensure_future(signals.hurry.wait())
        await asyncio.wait({drain, rush}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, rush):
            task.cancel()
    return signals.status


def run_worker(target: str, options: WorkerOptions, grace: float) -> int:
    """Serve an app until a signal; its exit status. What the app's own code raises is shown as its author knows it."""
    try:
        app = load_app(target)
    except FarhandError:
        raise
    except Exception as error:
        output.show_crash(f"{target} can't be imported: correct what the traceback shows", error)
        return 1
    worker = build_worker(app, options, lambda id: output.ready(f"farhand worker ready: {id}"), new_loop)
    try:
        return run_process(worker.run_with_signals(grace))
    except FarhandError:
        raise
    except Exception as error:
        output.show_crash("the worker can't go on: its lifespan raised this", error)
        return 1
