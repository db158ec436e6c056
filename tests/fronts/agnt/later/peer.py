"""An agent and a client of a later generation, on modules generated from its app.proto alone.

    python peer.py agent HOST:PORT          python peer.py client HOST:PORT

The agent answers with what it was told of the database; the client tells of one.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import app_pb2
import app_pb2_grpc
import grpc


def agent(address: str) -> None:
    """Answer for ever, with threads, as most agents do."""
    said: SimpleQueue[Any] = SimpleQueue()
    said.put(app_pb2.AgentMessage(agent_id="agent-7", worker_id="w-1"))

    def beat() -> None:
        said.put(app_pb2.AgentMessage(heartbeat="alive"))
        threading.Timer(5, beat).start()

    with grpc.insecure_channel(address) as channel:
        stream: Iterator[Any] = app_pb2_grpc.AgntServiceStub(channel).Connect(iter(said.get, None))
        beat()
        print("dialled", flush=True)
        for command in stream:
            config = command.db_config
            told = {
                "kind": config.WhichOneof("config"),
                "server": config.sqlserver.server,
                "user": config.sqlserver.user,
                "password": config.sqlserver.password,
                "query": command.query,
            }
            result = app_pb2.QueryResult(json=json.dumps([told]), request_id=command.request_id, tbl_meta_data="[]")
            said.put(app_pb2.AgentMessage(query_result=result))


def client(address: str) -> None:
    """Ask once."""
    with grpc.insecure_channel(address) as channel:
        sqlserver = app_pb2.SqlServerConfig(server="db.example", user="reader", password="p")
        command = app_pb2.CommandRequest(
            agent_id="agent-7",
            database="sqlserver",
            query="select 1",
            db_config=app_pb2.DatabaseConfig(sqlserver=sqlserver),
        )
        response = app_pb2_grpc.ClientServiceStub(channel).SendCommand(command, timeout=20)
        print(response.json)


if __name__ == "__main__":
    {"agent": agent, "client": client}[sys.argv[1]](sys.argv[2])
