"""The HTTP door of a hub as a process: how it is told where to listen, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.errors import PermissionDenied, Unavailable
from tests.cli.processes import farhand, ready_http, ready_line, serving, started, until
from tests.fronts.http.raw import connected

HUB = ("hub", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
APP = str(Path(__file__).parents[2] / "apps.py")


async def test_a_hub_told_to_stop_finishes_what_runs_lets_followers_go_and_exits_0() -> None:
    with started(*HUB) as hub:
        base, address = ready_http(hub)
        with serving("worker", APP, "--hub", address, "--grace", "1"):
            async with (
                httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as web,
                connected(base.removeprefix("http://")) as follower,
            ):
                job = (await web.post("/v1/jobs", json={"handler": "sleep"})).json()["id"]
                await follower.ask("GET", f"/v1/jobs/{job}/events")
                await follower.reader.readuntil(b"event: started")
                run = asyncio.ensure_future(web.post("/v1/run/sleep", json={"seconds": 1.5}))
                while 'farhand_running{group="default"} 2.0' not in (await web.get("/metrics")).text:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                hub.send_signal(signal.SIGTERM)
                while (await web.get("/health/ready")).status_code == 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                assert (await web.get("/health/live")).status_code == 200
                refused = await web.post("/v1/run/add", json={"a": 1, "b": 2})
                assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
                assert int(refused.headers["retry-after"]) > 0
                assert (await web.post("/v1/jobs", json={"handler": "add"})).status_code == 503
                await web.post(f"/v1/jobs/{job}/cancel")
                assert (await run).json() == "slept"
                assert (await follower.ended()).endswith(b"0\r\n\r\n")
        assert await asyncio.to_thread(hub.wait, 10) == 0


async def test_a_second_signal_stops_at_once_and_tells_who_waits() -> None:
    with started(*HUB) as hub:
        base, address = ready_http(hub)
        with serving("worker", APP, "--hub", address, "--grace", "1"):
            async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as web:
                run = asyncio.ensure_future(web.post("/v1/run/sleep", json={"seconds": 60}))
                while 'farhand_running{group="default"} 1.0' not in (await web.get("/metrics")).text:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                hub.send_signal(signal.SIGTERM)
                while (await web.get("/health/ready")).status_code == 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                assert not run.done()
                hub.send_signal(signal.SIGTERM)
                answer = await run
                assert (answer.status_code, answer.json()["code"]) == (502, "OUTCOME_UNKNOWN")
        await asyncio.to_thread(hub.wait, 10)


def test_the_ready_line_names_both_addresses_and_ends_with_grpcs() -> None:
    with started(*HUB) as hub:
        line = ready_line(hub)
        assert line.startswith("farhand hub ready on http://127.0.0.1:")
        assert line.split()[-1].startswith("127.0.0.1:")
    with started("hub", "--grpc", "127.0.0.1:0", FARHAND_HTTP="127.0.0.1:0") as hub:
        assert "http://" in ready_line(hub)
    with started("hub", "--grpc", "127.0.0.1:0", "--http", "off", FARHAND_HTTP="127.0.0.1:0") as hub:
        assert "http://" not in ready_line(hub)


def test_a_taken_port_and_a_wrong_address_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = farhand("hub", "--grpc", "127.0.0.1:0", "--http", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert "another program has the port" in done.stderr
    assert "--http" in done.stderr
    done = farhand("hub", "--grpc", "127.0.0.1:0", "--http", "0.0.0.0:0")
    assert (done.returncode, "loopback" in done.stderr) == (1, True)
    done = farhand("hub", "--grpc", "127.0.0.1:0", "--http", "here")
    assert (done.returncode, "a host, a colon and a port" in done.stderr) == (2, True)


def test_a_port_that_grpc_can_not_have_leaves_none_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        port = taken.getsockname()[1]
        done = farhand("hub", "--grpc", f"127.0.0.1:{port}", "--http", f"127.0.0.1:{free}")
        assert done.returncode == 1
        socket.create_server(("127.0.0.1", free)).close()


@pytest.mark.parametrize("address", ["localhost:0", "127.0.0.1:0", "[::1]:0", "127.3.2.1:0"])
async def test_loopback_is_served(address: str) -> None:
    async with await serve_hub(http=address) as hub, httpx.AsyncClient(trust_env=False) as web:
        assert (await web.get(f"http://{hub.http}/health/live")).status_code == 200


async def test_addresses_that_others_reach_are_refused(served: RunningHub) -> None:
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
        with pytest.raises(PermissionDenied, match="loopback"):
            await serve_hub(http=address)
    with pytest.raises(Unavailable, match="another program"):
        await serve_hub(http=served.http)


def test_a_hub_without_http_loads_none_of_it() -> None:
    script = """
import asyncio, sys
from farhand.assembly import serve_hub

async def main():
    async with await serve_hub():
        print([name for name in ("litestar", "uvicorn", "prometheus_client") if name in sys.modules])

asyncio.run(main())
"""
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, timeout=40)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stderr


def test_dev_serves_http_too(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import farhand\napp = farhand.App()\n@app.handler\ndef one() -> int:\n    return 1\n"
    )
    with started("dev", str(tmp_path / "app.py"), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0") as dev:
        base, _ = ready_http(dev)
        with httpx.Client(base_url=base, timeout=30, trust_env=False) as web:
            until(lambda: bool(web.get("/v1/handlers").json()["handlers"]))
            assert web.post("/v1/run/one").json() == 1
