"""Fetches an order's inputs, in constant memory, and checks that they are what their references say."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from google.protobuf.message import Message

from farhand.errors import InputRefused, InvalidArguments, TooLarge
from farhand.kits.service.inputs import Input, Place, shown
from farhand.kits.service.policy import Policy, addresses_of, open_file
from farhand.kits.service.upstream import Upstream
from farhand.ports.spool import Spool
from farhand.wire.control.messages import Rpc
from farhand.wire.control.orders import Reference, read_reference
from farhand.wire.control.results import MEDIA

PIECE = 256 * 1024
CONNECT, SILENCE = 10.0, 60.0
"""Seconds in which an HTTP upstream is connected, and says something."""


class Fetcher:
    """Fetches what may be fetched. `rpcs` and `types` are what the service's protos describe."""

    def __init__(self, policy: Policy, spool: Spool, rpcs: Sequence[Rpc], types: Mapping[str, type[Message]]) -> None:
        self._policy = policy
        self._spool = spool
        self._types = types
        self._upstream = Upstream(rpcs)

    def fetch(self, item: dict[str, Any], owner: str, check: Callable[[], None]) -> Input:
        """One input for the task `owner`. `check` is called now and then, and may raise.

        Raises:
            InputRefused: it can't be had, or isn't what the reference says.
        """
        try:
            reference = read_reference(item)
            return self._fetch(reference, owner, check)
        except InputRefused:
            raise
        except (InvalidArguments, TooLarge) as error:
            raise InputRefused(error.message) from None

    def _fetch(self, reference: Reference, owner: str, check: Callable[[], None]) -> Input:
        kind, many = self._types.get(reference.format or ""), False
        protocol = reference.protocol.lower()
        if protocol == "file":
            return self._file(reference, kind, check)
        if protocol == "grpc":
            kind, many, pieces = self._grpc(reference, check)
        elif protocol in ("http", "https"):
            answer = _Http(reference, self._policy)
            many, pieces = answer.many, answer.pieces()
        elif protocol == "inline":
            pieces = iter([self._inline(reference)])
        else:
            raise InputRefused(
                f"inputs over {protocol[:40]!r} can't be fetched: grpc, http, https, file and inline can"
            )
        writer = self._spool.begin(owner)
        expected = Expected(reference)
        try:
            for piece in expected.checked(pieces):
                check()
                writer.write(piece)
            spooled = writer.finish("bytes")
        finally:
            writer.discard()
        return Input(reference, spooled.size, kind, many, Place(self._spool, spooled))

    def _file(self, reference: Reference, kind: type[Message] | None, check: Callable[[], None]) -> Input:
        parts = urlsplit(reference.uri)
        if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
            raise InputRefused(f"the file {reference.uri[:200]!r} is another machine's")
        name = unquote(parts.path) if parts.scheme == "file" else reference.uri
        if "\0" in name:
            raise InputRefused("a file's name has no NUL in it")
        fd, path = open_file(self._policy, name)
        expected = Expected(reference)
        with os.fdopen(fd, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if reference.checksum:
                for _ in expected.checked(iter(lambda: file.read(PIECE), b"")):
                    check()
            else:
                expected.check_size(size)
        return Input(reference, size, kind, False, path)

    def _inline(self, reference: Reference) -> bytes:
        uri = reference.uri
        text = uri.partition(",")[2] if uri.startswith("data:") else uri
        if len(text) * 3 // 4 > self._policy.inline + 3:
            raise InputRefused(f"an inline input may have {self._policy.inline:,} bytes: give a larger one by grpc")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise InputRefused("an inline input's uri is no base64") from None

    def _grpc(
        self, reference: Reference, check: Callable[[], None]
    ) -> tuple[type[Message] | None, bool, Iterator[bytes]]:
        where = reference.uri.partition("://")[2] or reference.uri
        parts = urlsplit(f"//{where}")
        host, port = _host_and_port(parts, reference)
        addresses = addresses_of(self._policy, host, port)
        metadata = {str(key): str(value) for key, value in (reference.metadata or {}).items()}
        task = metadata.get("x-task-id", "") or dict(parse_qsl(parts.query)).get("x-task-id", "")
        return self._upstream.fetch(addresses, f"{host}:{port}", reference, task, check)


class _Http:
    """What an HTTP upstream answers. `many`: it is one thing after the other."""

    def __init__(self, reference: Reference, policy: Policy) -> None:
        """
        Raises:
            InputRefused: it can't be had.
        """
        import httpx

        self._where = shown(reference)
        self._errors: Any = httpx.HTTPError
        parts = urlsplit(reference.uri)
        if parts.scheme != reference.protocol.lower() or not parts.hostname:
            raise InputRefused(f"{self._where!r} is no {reference.protocol} address")
        host, port = _host_and_port(parts, reference, 443 if parts.scheme == "https" else 80)
        addresses = addresses_of(policy, host, port)
        timeout = httpx.Timeout(SILENCE, connect=CONNECT)
        headers = {"host": parts.netloc.rpartition("@")[2], "accept-encoding": "identity"}
        self._client = httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout)
        try:
            for address in addresses:
                at = f"[{address}]" if ":" in address else address
                url = parts._replace(netloc=f"{at}:{port}", fragment="").geturl()
                asked = self._client.build_request("GET", url, headers=headers, extensions={"sni_hostname": host})
                try:
                    self._answer = self._client.send(asked, stream=True)
                    break
                except httpx.ConnectError:
                    if address == addresses[-1]:
                        raise
            if self._answer.is_redirect:
                raise InputRefused(f"{self._where} redirects elsewhere, which isn't followed")
            if self._answer.status_code != 200:
                raise InputRefused(f"{self._where} answers with status {self._answer.status_code}")
        except httpx.HTTPError as error:
            self._client.close()
            raise InputRefused(f"{self._where} can't be fetched: {error or type(error).__name__}") from None
        except BaseException:
            self._client.close()
            raise
        media = self._answer.headers.get("content-type", "")
        self.many = media in (MEDIA["messages"], MEDIA["lines"])

    def pieces(self) -> Iterator[bytes]:
        """Its bytes."""
        try:
            yield from self._answer.iter_raw(PIECE)
        except self._errors as error:
            raise InputRefused(f"{self._where} can't be fetched: {error or type(error).__name__}") from None
        finally:
            self._client.close()


class Expected:
    """What a reference says of its bytes, checked as they pass."""

    def __init__(self, reference: Reference) -> None:
        """
        Raises:
            InputRefused: its checksum is of a kind that can't be checked.
        """
        self._where = shown(reference)
        self._size = reference.size_bytes
        self._kind, self._digest = _checksum(reference.checksum or "")
        self._hash = _hash(self._kind)

    def checked(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces, as they are.

        Raises:
            InputRefused: they are not as many bytes, or others, than was said.
        """
        size = 0
        for piece in pieces:
            size += len(piece)
            if self._size is not None and size > self._size:
                raise InputRefused(f"{self._where} gives more than the {self._size:,} bytes that its reference says")
            if self._hash is not None:
                self._hash.update(piece)
            yield piece
        self.check_size(size)
        if self._hash is not None and self._hash.hexdigest() != self._digest:
            raise InputRefused(f"{self._where} gives other bytes than its reference says: the {self._kind} differs")

    def check_size(self, size: int) -> None:
        """
        Raises:
            InputRefused: it is not the size that was said.
        """
        if self._size is not None and size != self._size:
            raise InputRefused(f"{self._where} gives {size:,} bytes; its reference says {self._size:,}")


def _checksum(text: str) -> tuple[str, str]:
    """The kind and the digest of ``KIND:HEX``, or of hex alone, whose length says the kind."""
    kind, colon, digest = text.partition(":")
    if colon:
        return kind.lower().replace("-", ""), digest.strip().lower()
    return {32: "md5", 64: "sha256", 0: ""}.get(len(text), "of no known kind"), text.strip().lower()


def _hash(kind: str) -> Any:
    if kind == "sha256":
        return hashlib.sha256()
    if kind == "md5":
        return hashlib.md5(usedforsecurity=False)
    if kind.startswith("xxh3"):
        import xxhash

        return xxhash.xxh3_64() if kind.endswith("64") else xxhash.xxh3_128()
    if kind:
        raise InputRefused(f"a checksum {kind} can't be checked: sha256:HEX, md5:HEX and xxh3:HEX can")
    return None


def _host_and_port(parts: Any, reference: Reference, default: int | None = None) -> tuple[str, int]:
    try:
        port = parts.port or default
    except ValueError:
        port = None
    if not parts.hostname or not port:
        raise InputRefused(f"{shown(reference)!r} is not HOST:PORT")
    return parts.hostname, port
