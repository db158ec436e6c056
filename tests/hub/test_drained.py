"""Hubs and workers that are told to stop under load: they exit with 0 in time, and nothing acknowledged is lost."""

from __future__ import annotations

import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from farhand.client import AsyncClient
from farhand.errors import FarhandError
from tests.hub.ledger import Ledger, all_ended, look_up, sqlite
from tests.hub.processes import exit_status, free_port, serving, worker
from tests.hub.test_liveness import begun
from tests.sizes import reliability, size
from tests.tallies import Tally, share

GRACE = 1.0
LIMIT = GRACE + 2.0
BETWEEN = 50
"""Jobs that are acknowledged before the next one is told to stop."""
OPTIONS = ("--grace", f"{GRACE:g}")


@pytest.mark.parametrize("which", ["hub", "worker"])
@reliability("R19", 120)
async def test_it_exits_with_0_within_its_grace(tmp_path: Path, tally: Tally, which: str) -> None:
    """Each time, one job never ends, so that all of the grace is used; the time is from the signal to the exit, and is
    judged by the share of 95 %. Jobs go on to be submitted meanwhile.

    It fails when `fronts/grpc/server.py` doesn't close the streams of its peers, and when `worker/worker.py` waits for
    handlers without end.
    """
    ledger, took, statuses = Ledger(), list[float](), list[int]()
    address = f"127.0.0.1:{free_port()}"
    hub = ("hub", "--grpc", address, "--store", sqlite(tmp_path), "--lease", "5", *OPTIONS)
    one = worker(address, "w1", *OPTIONS)
    stays, goes = (one, hub) if which == "hub" else (hub, one)
    async with AsyncExitStack() as stack:
        if which == "worker":
            await stack.enter_async_context(serving(*stays))
        for number in range(size("R19")):
            async with serving(*goes) as (process, _), AsyncClient(address, connect_timeout=20.0) as client:
                if which == "hub" and not number:
                    await stack.enter_async_context(serving(*stays))
                endless = await begun(client, "wait_async", {"path": str(tmp_path / "never")})
                async with ledger.filled_by(client, submitters=1):
                    await ledger.grow(BETWEEN)
                    process.send_signal(signal.SIGTERM)
                    began = time.monotonic()
                    statuses.append(await exit_status(process, LIMIT + 20.0))
                    took.append(time.monotonic() - began)
                with pytest.raises(FarhandError):
                    async for _ in endless:
                        pass
        async with serving(*goes), AsyncClient(address, connect_timeout=20.0) as client:
            await all_ended(client, ledger.jobs)
            await stack.aclose()
    found = await look_up(sqlite(tmp_path), ledger.jobs)
    others = sum(status != 0 for status in statuses)
    tally.count(others, len(statuses), f"{which}s told to stop exited with another status than 0")
    tally.times(took, LIMIT, f"a {which} told to stop exited")
    tally.count(
        sum(found), len(ledger.jobs), f"acknowledged jobs without exactly one end, after a {which} was told to stop"
    )
    assert others == 0
    assert found == (0, 0)
    assert share(took, 0.95) <= LIMIT
