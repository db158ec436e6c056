"""Eight pull runners of Devaria's, which pull from the beginning on. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from bench.roles.devaria_http import RUNNER, Asking
from bench.roles.obeying import obey

RUNNERS = 8
PAUSE = 0.1
"""Seconds until one asks again that has found nothing."""


class Runners:
    """All of them. `computed` counts how often each work was done."""

    def __init__(self) -> None:
        self.computed: Counter[int] = Counter()

    async def pull(self, address: str, name: str) -> None:
        """One of them, for ever."""
        hub = Asking(address, RUNNER)
        await hub.connect()
        await hub.register(name)
        while True:
            _, told = await hub.ask("GET", "/api/runner/jobs/available?types[]=bench")
            done = 0
            for job in told["jobs"]:
                done += await self._work(hub, job)
            if not done:
                await asyncio.sleep(PAUSE)

    async def _work(self, hub: Asking, job: dict[str, object]) -> bool:
        path = f"/api/runner/jobs/{job['job_id']}"
        status, claimed = await hub.ask("POST", f"{path}/claim")
        if status != 200:
            return False
        number = claimed["job"]["input_params"]["n"]
        self.computed[number] += 1
        body = {"output_data": {"n": number}, "console_output": f"computed {number}\n"}
        status, _ = await hub.ask("POST", f"{path}/complete", body)
        return status == 200

    async def twice(self, distinct: int, seconds: float) -> float:
        """How many of so many works were done more or less often than once."""
        return float(sum(self.computed[number] != 1 for number in range(distinct)))


async def main(address: str) -> None:
    """Pull until told to end."""
    runners = Runners()
    pulling = [asyncio.ensure_future(runners.pull(address, f"bench-{number}")) for number in range(RUNNERS)]
    try:
        await obey({"twice": runners.twice})
    finally:
        for one in pulling:
            one.cancel()
        await asyncio.gather(*pulling, return_exceptions=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1]))
