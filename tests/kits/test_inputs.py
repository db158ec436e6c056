"""What an order refers to: how it is fetched, checked and handed over, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import xxhash

from farhand.errors import InputRefused
from farhand.kits.service.policy import Policy, addresses_of
from tests.kits.serving import Orchestrator, served

CSV = b"a,b\r\n1,x\r\n2,y\r\n"


@contextlib.asynccontextmanager
async def upstream(answer: bytes) -> AsyncIterator[str]:
    """Something that answers every request with these bytes and closes: its HOST:PORT."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield "127.0.0.1:" + str(server.sockets[0].getsockname()[1])


def response(body: bytes, status: str = "200 OK", length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\ncontent-length: {size}\r\nconnection: close\r\n{more}\r\n".encode() + body


def inline(data: bytes, format: str | None = None, **more: Any) -> dict[str, Any]:
    return {"protocol": "inline", "uri": base64.b64encode(data).decode(), "format": format, **more}


@pytest.fixture
async def asks() -> AsyncIterator[Orchestrator]:
    async with served() as (_, asks):
        yield asks


async def values(asks: Orchestrator, *inputs: dict[str, Any]) -> list[Any]:
    return list(json.loads(await asks.data(await asks.run("Values", inputs)))["inputs"])


async def test_small_inputs_are_what_their_format_means(asks: Orchestrator) -> None:
    async with upstream(response(CSV)) as at:
        found = await values(
            asks,
            inline(b'{"a": 1}', "json"),
            inline(CSV, "csv"),
            inline(b"\1\2", "binary"),
            inline(b"\n\1t", "Response"),
            {"protocol": "http", "uri": f"http://{at}/x", "format": "csv", "schema_uri": None, "extra": 1},
        )
    rows = [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    assert found == [{"a": 1}, rows, repr(b"\1\2"), 'text: "t"\n', rows]


async def test_size_and_checksum_are_checked(asks: Orchestrator) -> None:
    xxh3 = f"xxh3:{xxhash.xxh3_128_hexdigest(CSV)}"
    sha, md5 = hashlib.sha256(CSV).hexdigest(), hashlib.md5(CSV, usedforsecurity=False).hexdigest()
    for checksum in (
        sha,
        f"sha256:{sha}",
        f"SHA-256:{sha.upper()}",
        md5,
        f"md5:{md5}",
        xxh3,
    ):
        assert len(await values(asks, inline(CSV, "csv", size_bytes=len(CSV), checksum=checksum))) == 1
    assert "its reference says 99" in await asks.why("Values", [inline(CSV, size_bytes=99)])
    assert "more than the 3 bytes" in await asks.why("Values", [inline(CSV, size_bytes=3)])
    assert "the sha256 differs" in await asks.why("Values", [inline(CSV, checksum="0" * 64)])
    assert "can't be checked" in await asks.why("Values", [inline(CSV, checksum="crc32:1234")])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (response(b"abc", length=10), "can't be fetched"),
        (response(b"", "302 Found", more="location: http://127.0.0.1:1/\r\n"), "redirects elsewhere"),
        (response(b"gone", "404 Not Found"), "answers with status 404"),
        (b"nonsense\r\n\r\n", "can't be fetched"),
        (b"", "can't be fetched"),
    ],
)
async def test_an_http_upstream_that_lies_or_is_cut_fails_the_task(asks: Orchestrator, answer: bytes, why: str) -> None:
    async with upstream(answer) as at:
        assert why in await asks.why("Values", [{"protocol": "http", "uri": f"http://{at}/x?key=secret"}])
        assert "secret" not in await asks.why("Values", [{"protocol": "http", "uri": f"http://{at}/x?key=secret"}])


async def test_an_upstream_that_is_gone_fails_the_task(asks: Orchestrator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for item in (
        {"protocol": "grpc", "uri": f"127.0.0.1:{port}", "format": "Response"},
        {"protocol": "http", "uri": f"http://127.0.0.1:{port}/"},
    ):
        assert f"127.0.0.1:{port}" in await asks.why("Values", [item])


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"protocol": "grpc", "uri": "169.254.169.254:80"}, "link-local or metadata"),
        ({"protocol": "http", "uri": "http://169.254.169.254/latest"}, "link-local or metadata"),
        ({"protocol": "http", "uri": "http://[::ffff:169.254.169.254]/"}, "link-local or metadata"),
        ({"protocol": "http", "uri": "http://[fe80::1]/"}, "link-local or metadata"),
        ({"protocol": "http", "uri": "http://0.0.0.0:80/"}, "link-local or metadata"),
        ({"protocol": "http", "uri": "http://2852039166/"}, "link-local or metadata"),
        ({"protocol": "http", "uri": "file:///etc/passwd"}, "is no http address"),
        ({"protocol": "grpc", "uri": "nothing"}, "is not HOST:PORT"),
        ({"protocol": "grpc", "uri": "a:b"}, "is not HOST:PORT"),
        ({"protocol": "file", "uri": "/etc/hostname"}, "SERVICE_FILES names no folder"),
        ({"protocol": "s3", "uri": "s3://bucket/key"}, "over 's3' can't be fetched"),
        ({"protocol": "inline", "uri": "%%%"}, "no base64"),
        ({"protocol": "inline", "uri": "YQ==", "size_bytes": "many"}, "is no reference"),
        ({"uri": "x"}, "is no reference"),
        (inline(b"{", "json"), "is no json"),
        (inline(b"\xff", "Response"), "are no my_service.Response"),
    ],
)
async def test_what_may_not_be_fetched_or_makes_no_sense_fails_the_task(
    asks: Orchestrator, item: dict[str, Any], why: str
) -> None:
    assert why in await asks.why("Values", [item])


async def test_only_hosts_that_are_named() -> None:
    async with (
        served(policy=Policy(upstreams=("*.example.org", "localhost:1"))) as (_, asks),
        upstream(response(CSV)) as at,
    ):
        assert "SERVICE_UPSTREAMS" in await asks.why("Values", [{"protocol": "http", "uri": f"http://{at}/"}])
        assert "SERVICE_UPSTREAMS" in await asks.why("Values", [{"protocol": "grpc", "uri": at}])
    allowed = Policy(upstreams=(at, "LOCALHOST"))
    assert addresses_of(allowed, "127.0.0.1", int(at.rpartition(":")[2])) == ["127.0.0.1"]
    assert "127.0.0.1" in addresses_of(allowed, "localhost", 5)
    with pytest.raises(InputRefused):
        addresses_of(allowed, "127.0.0.1", 1)


async def test_files_below_the_named_folders_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "rows.csv").write_bytes(CSV)
    (outside / "secret").write_bytes(b"secret")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "good link").symlink_to(inside / "rows.csv")
    async with served(policy=Policy(files=(str(inside),))) as (_, asks):
        for uri in (str(inside / "rows.csv"), f"file://{inside}/rows.csv", f"file://{inside}/good%20link"):
            found = await values(asks, {"protocol": "file", "uri": uri, "format": "csv", "size_bytes": len(CSV)})
            assert found == [[{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]]
        for uri in (str(outside / "secret"), f"{inside}/../out/secret", str(inside / "link"), f"file://{inside}/link"):
            assert "may not be read" in await asks.why("Values", [{"protocol": "file", "uri": uri}])
        assert "no plain file" in await asks.why("Values", [{"protocol": "file", "uri": str(inside)}])
        assert "can't be read" in await asks.why("Values", [{"protocol": "file", "uri": f"{inside}/nothing"}])
        lies = {"protocol": "file", "uri": f"{inside}/rows.csv", "size_bytes": 1}
        assert "its reference says 1" in await asks.why("Values", [lies])


async def test_nothing_of_an_input_stays(tmp_path: Path) -> None:
    async with served() as (service, asks), upstream(response(b"x" * 200_000)) as at:
        item = {"protocol": "http", "uri": f"http://{at}/"}
        output = await asks.run("Digest", [item])
        assert output["protocol"] == "http"
        found = json.loads(await asks.data(output))["found"]
        assert found == [{"size": 200_000, "sha256": hashlib.sha256(b"x" * 200_000).hexdigest(), "in_file": 200_000}]
        assert list(service._folder.iterdir()) == []
