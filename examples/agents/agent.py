"""An agent beside an SQLite database, on modules generated from app.proto alone: it knows nothing of farhand.

    python examples/agents/agent.py people.db [HOST:PORT] [AGENT_ID] [WORKER_ID]

It answers queries for the database `sqlite` and, as some agents do, says nothing for one that it doesn't know. It dials
again when its connection is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import sys
from typing import Any

import app_pb2
import app_pb2_grpc
import grpc

HEARTBEAT = 5.0
RETRY = 1.0


def answer(path: str, command: Any) -> Any:
    """Run one query, in a thread of its own."""
    reply = app_pb2.AgentMessage()
    reply.query_result.request_id = command.request_id
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            cursor = database.execute(command.query)
            rows = [dict(row) for row in cursor.fetchall()]
            names = [column[0] for column in cursor.description or ()]
            table = command.tbl_name.replace('"', '""')
            declared = dict(database.execute(f'select name, type from pragma_table_info("{table}")')) if table else {}
    except sqlite3.Error as error:
        reply.message = str(error)
        reply.query_result.json = reply.query_result.tbl_meta_data = "null"
        return reply
    columns = [{"name": name, "type": declared.get(name, "TEXT")} for name in names]
    reply.query_result.json = json.dumps(rows)
    reply.query_result.tbl_meta_data = json.dumps(
        [
            {
                "Column Name": column["name"],
                "Data Type": re.sub(r"\(.*", "", column["type"]),
                "Data Type With Size": column["type"],
            }
            for column in columns
        ]
    )
    return reply


async def serve(path: str, address: str, agent: str, worker: str) -> None:
    """Dial, and answer until the connection is lost."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", 2**31 - 1)]) as channel:
        stream = app_pb2_grpc.AgntServiceStub(channel).Connect()
        await stream.write(app_pb2.AgentMessage(agent_id=agent, worker_id=worker))
        print(f"connected as {agent}", flush=True)

        async def beat() -> None:
            while True:
                await asyncio.sleep(HEARTBEAT)
                await stream.write(app_pb2.AgentMessage(heartbeat="alive"))

        async def work(command: Any) -> None:
            await stream.write(await asyncio.to_thread(answer, path, command))

        tasks = {asyncio.create_task(beat())}
        try:
            async for command in stream:
                if command.database == "sqlite":
                    tasks.add(task := asyncio.create_task(work(command)))
                    task.add_done_callback(tasks.discard)
        finally:
            for task in list(tasks):
                task.cancel()


async def main(path: str, address: str = "localhost:50051", agent: str = "agent-123", worker: str = "") -> None:
    """Serve for ever."""
    while True:
        try:
            await serve(path, address, agent, worker)
        except grpc.aio.AioRpcError as error:
            print(f"lost: {error.code().name} {error.details()}", file=sys.stderr, flush=True)
        await asyncio.sleep(RETRY)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
