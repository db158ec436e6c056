"""A bare grpc.aio client of an AI server. Argument: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc

from bench import timing
from bench.roles.obeying import obey
from farhand.wire.nextflow.actions import Action
from farhand.wire.nextflow.observations import observation_of

OBSERVATION = observation_of(
    {
        "event_id": "00000000-0000-4000-8000-000000000000",
        "event_type": "task_complete",
        "timestamp_iso": "2026-03-01T12:00:00Z",
        "pipeline_name": "rnaseq",
        "process_name": "ALIGN",
        "task_id_num": 123,
        "task_name": "ALIGN (sample 1)",
        "status": "COMPLETED",
        "duration_ms": 50_000,
        "peak_rss_bytes": 2**28,
    }
).SerializeToString()


async def main(address: str) -> None:
    """Measure what is asked."""
    async with grpc.aio.insecure_channel(address) as channel:
        send: Any = channel.unary_unary("/nf_ai_comms.AiActionService/SendTaskObservation")
        timing.expect(Action.FromString(await send(OBSERVATION)).success, True)

        async def call() -> None:
            timing.expect(bool(await send(OBSERVATION, timeout=30)), True)

        async def unary(in_flight: int, seconds: float) -> float:
            return await timing.rate(call, in_flight, seconds)

        await obey({"unary": unary})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
