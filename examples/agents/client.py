"""A client of database agents, on modules generated from app.proto alone: it knows nothing of farhand.

farhand hub
python examples/agents/agent.py people.db
python examples/agents/client.py "select * from people"
"""

from __future__ import annotations

import asyncio
import json
import sys

import app_pb2
import app_pb2_grpc
import grpc


async def main(query: str, address: str = "localhost:50051", agent: str = "agent-123") -> int:
    """Ask once, and show what comes back."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.max_receive_message_length", 2**31 - 1)]) as channel:
        stub = app_pb2_grpc.ClientServiceStub(channel)
        command = app_pb2.CommandRequest(agent_id=agent, database="sqlite", query=query, tbl_name="")
        try:
            response = await stub.SendCommand(command)
        except grpc.aio.AioRpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    rows = json.loads(response.json)
    if rows is None:
        print(f"the query failed: {response.message}", file=sys.stderr)
        return 1
    for column in json.loads(response.meta_data) or []:
        print(f"{column['Column Name']}: {column['Data Type With Size']}")
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
