"""A result that names a figpack page is good as long as the page is there; nothing but public addresses is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from farhand.fronts.devaria.pages import Pages, is_public
from farhand.hub.pruning import forget
from tests.fronts.devaria.serving import Web, devaria_hub, web_of


class Site:
    """A server of pages. `status` is what it answers."""

    def __init__(self) -> None:
        self.status = b"200 OK"
        self.asked: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        writer.write(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    found = Site()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


async def _done(web: Web, output: Any, **params: Any) -> str:
    id: str = (await web.submit(**params))["job_id"]
    if not web.runner:
        await web.register()
    await web.claim(id)
    await web.complete(id, output)
    return id


async def test_a_result_expires_once_its_page_is_gone() -> None:
    async with site() as pages, devaria_hub(page_hosts=("localhost",)) as hub, web_of(hub) as web:
        url = f"http://localhost:{pages.port}/figure?v=1"
        id = await _done(web, {"deep": [{"figpack_url": url}]}, n=1)
        assert (await web.submit(n=1, status=200))["status"] == "completed"
        assert (await web.check(n=1))["status"] == "completed"
        assert pages.asked == [b"GET /figure?v=1 HTTP/1.1"] * 2
        for status in (b"302 Found", b"500 No", b"403 No", b"nonsense"):
            pages.status = status
            assert (await web.check(n=1))["status"] == "completed", status
        pages.status = b"404 Not Found"
        told = await web.check(n=1)
        assert (told["exists"], told["status"], told["job_id"], "result" in told) == (True, "expired", id, False)
        pages.status = b"200 OK"
        assert (await web.check(n=1))["status"] == "expired", "it stays so"
        assert (await web.job(id))["status"] == "expired"
        assert (await web.told("GET", "/api/admin/stats"))["jobs"]["expired"] == 1
        assert (await web.told("GET", "/api/admin/jobs?status=completed"))["jobs"] == []
        (expired,) = (await web.told("GET", "/api/admin/jobs?status=expired"))["jobs"]
        assert expired["job_id"] == id
        new = await web.submit(n=1)
        assert new["job_id"] != id
        assert (await web.check(n=1))["status"] == "pending"


async def test_a_submit_that_finds_the_page_gone_says_so_and_the_next_begins_anew() -> None:
    async with site() as pages, devaria_hub(page_hosts=("localhost",)) as hub, web_of(hub) as web:
        id = await _done(web, {"figpack_url": f"http://localhost:{pages.port}/"}, n=1)
        pages.status = b"410 Gone"
        told = await web.submit(n=1, status=200)
        assert (told["job_id"], told["status"]) == (id, "expired")
        assert (await web.submit(n=1))["job_id"] != id


async def test_what_is_known_of_a_deleted_job_is_forgotten() -> None:
    async with site() as pages, devaria_hub(page_hosts=("localhost",)) as hub, web_of(hub) as web:
        pages.status = b"410 Gone"
        ids = [await _done(web, {"figpack_url": f"http://localhost:{pages.port}/"}, n=number) for number in range(2)]
        for number in range(2):
            assert (await web.check(n=number))["status"] == "expired"
        durables = hub.durables
        assert durables is not None
        assert await durables.recalling.outdated() == frozenset(ids)
        await web.told("DELETE", f"/api/admin/jobs/{ids[0]}")
        assert await durables.recalling.outdated() == {ids[1]}
        assert await forget(durables.recalling._store, await durables.get(ids[1]))
        await durables.recalling.tidy()
        assert await durables.recalling.outdated() == frozenset()


async def test_many_who_ask_at_once_ask_the_page_once() -> None:
    async with site() as pages, devaria_hub(page_hosts=("localhost",)) as hub, web_of(hub) as web:
        await _done(web, {"figpack_url": f"http://localhost:{pages.port}/"}, n=1)
        told = await asyncio.gather(*[web.check(n=1) for _ in range(20)])
        assert {one["status"] for one in told} == {"completed"}
        assert len(pages.asked) < 20


HOSTILE = (
    "http://127.0.0.1:{}/",
    "http://localhost:{}/",
    "http://2130706433:{}/",
    "http://0x7f.1:{}/",
    "http://127.1:{}/",
    "http://0.0.0.0:{}/",
    "http://[::1]:{}/",
    "http://[::ffff:127.0.0.1]:{}/",
    "http://[::]:{}/",
    "http://user:word@127.0.0.1:{}/",
    "http://127.0.0.1:{}\\@example.com/",
    "http://example.com@127.0.0.1:{}/",
    "http://127.0.0.1:{}/\r\nX: y",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{}/",
    "gopher://127.0.0.1:{}/",
    "//127.0.0.1:{}/",
    "http://",
    "http://[",
    "http://127.0.0.1:99999/",
    "http://\u0000:{}/",
    "x" * 5_000,
    "",
)


@pytest.mark.parametrize("url", HOSTILE)
async def test_no_address_that_is_not_public_is_asked(url: str) -> None:
    async with site() as pages:
        asked = Pages()
        assert await asked.are_there([url.format(pages.port) if "{}" in url else url])
        await asked.close()
        assert pages.asked == []


def test_which_addresses_are_public() -> None:
    for one in ("8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert is_public(one), one
    private = "127.0.0.1 10.0.0.1 192.168.1.1 172.16.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255"
    six = "::1 :: fe80::1 fd00::1 ff02::1 ::ffff:10.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1 fe80::1%eth0 100:: 2001:db8::1"
    for one in (*private.split(), *six.split()):
        assert not is_public(one), one


async def test_a_page_that_never_answers_counts_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farhand.fronts.devaria.pages.PATIENCE", 0.2)

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen_only, "127.0.0.1", 0) as silent:
        asked = Pages(("localhost",))
        port = silent.sockets[0].getsockname()[1]
        assert await asked.are_there([f"http://localhost:{port}/", "http://localhost:1/"])
        await asked.close()
