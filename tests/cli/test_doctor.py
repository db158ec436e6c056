"""doctor: what it finds, and what it says to do."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

from farhand import AsyncClient
from tests.cli.processes import ROOT, farhand, served, serving


def examined(*arguments: str, status: int, **variables: str) -> dict[str, Any]:
    done = farhand("doctor", "--json", *arguments, cwd=ROOT, **variables)
    assert (done.returncode, done.stderr) == (status, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_beside_a_hub_with_a_worker_all_is_well(hub: str) -> None:
    found = examined(status=0, FARHAND_HUB=hub, FARHAND_GRPC=hub)
    assert found["problems"] == []
    assert found["listen"] == f"taken by a farhand hub, version {found['versions']['farhand']}"
    assert found["versions"]["python"] == sys.version.split()[0]
    assert {"grpcio", "protobuf", "msgspec"} <= found["versions"].keys()
    assert found["settings"]["hub"] == {"value": hub, "source": "FARHAND_HUB"}
    assert found["settings"]["timeout"] == {"value": "30 for run, 300 for stream", "source": "default"}
    assert (found["hub"]["workers"], found["groups"]) == (1, {"default": "1 ready; 0 running, 0 waiting"})


def test_without_a_hub_it_fails_and_says_what_to_do() -> None:
    done = farhand("doctor", "--hub", "127.0.0.1:1", COLUMNS="300", FARHAND_GRPC="127.0.0.1:0")
    assert done.returncode == 1
    assert "✗ no hub answers at 127.0.0.1:1: start one with `farhand hub`" in done.stdout
    assert "address  free" in done.stdout


def test_a_port_that_another_program_has_is_a_problem(hub: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        found = examined("--hub", hub, status=1, FARHAND_GRPC=address)
    assert found["listen"] == "taken by another program"
    assert found["problems"] == [
        f"another program than a farhand hub has the port of {address}: stop it, or listen elsewhere with --grpc or "
        "FARHAND_GRPC"
    ]


def test_a_hub_without_a_worker_and_a_group_that_nobody_serves_are_problems(hub: str) -> None:
    with serving("hub", "--grpc", "127.0.0.1:0") as (_, empty):
        (problem,) = examined("--hub", empty, status=1)["problems"]
    assert problem == "no worker is connected: start one with `farhand worker MODULE:APP`"
    (problem,) = examined("--hub", hub, status=1, FARHAND_GROUP="gpu")["problems"]
    assert problem.startswith("group 'gpu' (from FARHAND_GROUP) has no worker, groups with workers: default; start one")


def test_a_bad_setting_is_a_finding_beside_the_others(hub: str, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("slots = 'many'\ngroup = 'default'\n")
    found = examined("--hub", hub, "--config", str(tmp_path / "other.toml"), status=1)
    (problem,) = found["problems"]
    where = tmp_path / "other.toml"
    assert problem.startswith(f"slots = 'many' (from {where}) can't be used: a whole number is needed")
    assert found["settings"]["group"]["source"] == str(where)
    assert found["hub"]["workers"] == 1


def test_jobs_that_wait_for_a_group_are_named() -> None:
    async def wait_and_look(address: str) -> dict[str, Any]:
        async with AsyncClient(address) as client:
            waiting = asyncio.ensure_future(client.run("train", group="gpu", timeout=30))
            while not (await client.hub()).waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            found = await asyncio.to_thread(examined, "--hub", address, status=1)
            waiting.cancel()
            return found

    with served("examples/quickstart.py") as address:
        found = asyncio.run(wait_and_look(address))
    assert found["groups"]["gpu"] == "no worker; 0 running, 1 waiting"
    (problem,) = found["problems"]
    assert "has no worker, and 1 jobs wait for one since" in problem
    assert "`farhand worker MODULE:APP --group gpu`" in problem
