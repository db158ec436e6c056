"""A database agent that answers every query with one row. Arguments: HOST:PORT of the hub."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc

from bench.roles.obeying import until_told
from bench.subject import AGENT, AGENTS, ROW
from farhand.wire.agnt._pb import agnt_pb2


async def answer(stream: Any) -> None:
    """Answer what is asked."""
    while (command := await stream.read()) is not grpc.aio.EOF:
        result = agnt_pb2.QueryResult(json=ROW, request_id=command.request_id, tbl_meta_data="[]")
        await stream.write(agnt_pb2.AgentMessage(query_result=result))


async def main(hub: str) -> None:
    """Serve until told to stop."""
    async with grpc.aio.insecure_channel(hub) as channel:
        connect: Any = channel.stream_stream(
            AGENTS, agnt_pb2.AgentMessage.SerializeToString, agnt_pb2.ServerMessage.FromString
        )
        stream = connect()
        await stream.write(agnt_pb2.AgentMessage(agent_id=AGENT, worker_id="1"))
        await stream.wait_for_connection()
        answering = asyncio.ensure_future(answer(stream))
        await until_told()
        answering.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
