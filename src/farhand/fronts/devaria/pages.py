"""Whether a page that a result names is still there. Runners name it, so nothing but public addresses is asked."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

import structlog

AT_ONCE = 16
"""Pages that are asked at once; of more it isn't known whether they are there."""
PATIENCE = 5.0
"""Seconds in which a page has to answer."""
URL_LIMIT = 2_000
GONE = (404, 410)


class Pages:
    """Asks for pages. `hosts` may have any address."""

    def __init__(self, hosts: Sequence[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._asking: dict[str, asyncio.Task[bool]] = {}
        self._tls: ssl.SSLContext | None = None
        self._log = structlog.get_logger("farhand.devaria")

    async def are_there(self, urls: Sequence[str]) -> bool:
        """Whether none of these pages is known to be gone. One that can't be asked, or that answers with anything but
        404 or 410, counts as there."""
        found = await asyncio.gather(*[self._is_there(url) for url in dict.fromkeys(urls)])
        return all(found)

    async def close(self) -> None:
        """Ask no more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _is_there(self, url: str) -> bool:
        task = self._asking.get(url)
        if task is None:
            if len(self._asking) >= AT_ONCE:
                return True
            task = self._asking[url] = asyncio.get_running_loop().create_task(self._ask(url))
            task.add_done_callback(lambda done: self._asking.pop(url, None))
        return await asyncio.shield(task)  # who leaves doesn't end it for the others

    async def _ask(self, url: str) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                parts = _parts(url)
                for address in await self._addresses(parts):
                    status = await self._status(parts, address)
                    if status is not None:
                        return status not in GONE
        except (TimeoutError, OSError, ValueError) as error:
            self._log.info("a page can't be asked", url=url[:200], why=str(error) or type(error).__name__)
        return True

    async def _addresses(self, parts: SplitResult) -> list[str]:
        """Where the host is, looked up once: whoever connects uses these, not the name.

        Raises:
            ValueError: one of them isn't public.
            OSError: there is none.
        """
        host = str(parts.hostname)
        found = await asyncio.get_running_loop().getaddrinfo(host, port_of(parts), type=1)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if host.lower() not in self._hosts and not all(map(is_public, addresses)):
            raise ValueError("its host has an address that is not public")
        return addresses

    async def _status(self, parts: SplitResult, address: str) -> int | None:
        """The status that the page answers with; None where nobody is at this address. Redirects aren't followed."""
        tls: Any = None
        if parts.scheme == "https":
            self._tls = self._tls or await asyncio.to_thread(ssl.create_default_context)
            tls = self._tls
        try:
            reader, writer = await asyncio.open_connection(
                address, port_of(parts), ssl=tls, limit=16 * 1024, server_hostname=parts.hostname if tls else None
            )
        except OSError:
            return None
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            host = parts.netloc.rpartition("@")[2]
            lines = (f"GET {path} HTTP/1.1", f"Host: {host}", "User-Agent: farhand", "Accept: */*", "Connection: close")
            writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii"))
            await writer.drain()
            version, _, rest = (await reader.readline()).partition(b" ")
            code = rest[:3]
            if not version.startswith(b"HTTP/") or not code.isdigit():
                raise ValueError("it answers no HTTP")
            return int(code)
        finally:
            writer.close()


def port_of(parts: SplitResult) -> int:
    """The port of an address."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_public(address: str) -> bool:
    """Whether an address is one that anybody may ask."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner:
            return is_public(str(inner))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _parts(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        ValueError: it isn't a plain one.
    """
    if len(url) > URL_LIMIT or not url.isascii() or any(sign <= " " or sign == "\x7f" for sign in url):
        raise ValueError("it is no plain address")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_of(parts):
        raise ValueError("it is no address of a page")
    return parts
