"""hub and worker: processes that serve until they are told to stop."""

from __future__ import annotations

import asyncio

from farhand.assembly import build_worker, new_loop, open_store, run_process, serve_hub
from farhand.cli import output
from farhand.cli.signals import Signals
from farhand.errors import FarhandError
from farhand.worker.loading import load_app
from farhand.worker.worker import WorkerOptions


def run_hub(address: str, grace: float, store: str, lease: float) -> int:
    """Serve a hub until a signal; its exit status."""
    return run_process(_serve_hub(address, grace, store, lease))


async def _serve_hub(address: str, grace: float, store: str, lease: float) -> int:
    signals = Signals()
    async with await serve_hub(address, store=await open_store(store), lease=lease) as hub:
        output.ready(f"farhand hub ready on {hub.address}")
        await signals.stop.wait()
        drain = asyncio.ensure_future(hub.drain(grace))
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
