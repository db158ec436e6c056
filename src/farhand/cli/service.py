"""service: a process that takes an orchestrator's orders and hands data on, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys

from farhand.assembly import RunningService, run_process, serve_service
from farhand.cli import output
from farhand.cli.signals import Signals
from farhand.errors import FarhandError
from farhand.kits.service.options import ServiceOptions


def run_service(options: ServiceOptions, grace: float) -> int:
    """Serve until a signal; the exit status. What the service's own code raises is shown as its author knows it."""
    os.environ["GRPC_HOST"], os.environ["GRPC_PORT"] = options.public or "localhost", str(options.grpc_port)
    try:
        return run_process(_serve(options, grace))
    except FarhandError:
        raise
    except Exception as error:
        output.show_crash(f"{options.target} can't be served: correct what the traceback shows", error)
        return 1


async def _serve(options: ServiceOptions, grace: float) -> int:
    signals = Signals()
    async with await serve_service(options) as service:
        print(
            f"orders on http://{service.http} ask for "
            + ("the key in SERVICE_API_KEY" if options.key else "no key, and only this machine reaches them")
            + f"; data on {service.grpc} over gRPC asks for no key: its protocol has none. "
            "Let only your own network reach it",
            file=sys.stderr,
            flush=True,
        )
        output.ready(f"farhand service ready on http://{service.http} and {service.grpc}")
        stopped = asyncio.ensure_future(signals.stop.wait())
        await asyncio.wait({stopped, _life(service)}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            stopped.cancel()
            await _life(service)
            return 1
        drain = asyncio.ensure_future(service.drain(grace))
        rush = asyncio.ensure_future(signals.hurry.wait())
        await asyncio.wait({drain, rush}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, rush):
            task.cancel()
    return signals.status


def _life(service: RunningService) -> asyncio.Task[None]:
    assert service.ended is not None, "a service that serves has a worker"
    return service.ended
