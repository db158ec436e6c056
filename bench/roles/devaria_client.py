"""Sixteen submitters of Devaria's jobs, at a steady rate. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

from bench.roles.devaria_http import SUBMIT, Asking
from bench.roles.obeying import obey

CLIENTS = 16


class Submitters:
    """All of them."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._unanswered = 0

    async def load(self, submits: int, distinct: int, rate: float, seconds: float) -> float:
        """Submit so many times, and check each time before, at so many requests a second together: the time of an
        answer, in ms, that 99 of 100 stay under."""
        took: list[float] = []
        numbers = iter(range(submits))

        async def submit(which: int) -> None:
            hub = Asking(self._address, SUBMIT)
            await hub.connect()
            due = perf_counter() + which / rate
            for number in numbers:
                work = {"job_type": "bench", "input_params": {"n": number % distinct}}
                for verb in ("check", "submit"):
                    await asyncio.sleep(max(0.0, due - perf_counter()))
                    began = perf_counter()
                    status, _ = await hub.ask("POST", f"/api/jobs/{verb}", work)
                    took.append(perf_counter() - began)
                    self._unanswered += status not in (200, 201)
                    due += CLIENTS / rate

        await asyncio.gather(*[submit(which) for which in range(CLIENTS)])
        return sorted(took)[int(0.99 * len(took))] * 1000

    async def unanswered(self, distinct: int, seconds: float) -> float:
        """How many were refused, or of which the result never came."""
        hub = Asking(self._address, SUBMIT)
        await hub.connect()
        missing = set(range(distinct))
        until = perf_counter() + seconds
        while missing and perf_counter() < until:
            for number in sorted(missing):
                _, told = await hub.ask("POST", "/api/jobs/check", {"job_type": "bench", "input_params": {"n": number}})
                if told.get("result", {}).get("output_data") == {"n": number}:
                    missing.discard(number)
            await asyncio.sleep(0.1)
        return float(self._unanswered + len(missing))


async def main(address: str) -> None:
    """Measure what is asked."""
    submitters = Submitters(address)
    await obey({"load": submitters.load, "unanswered": submitters.unanswered})


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1]))
