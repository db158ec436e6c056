"""Payloads on their way through the hub: who holds them, who fetches them, and what the hub keeps itself.

A payload is held by the worker or client that made it, under a ref it has signed with the key the hub gave it. Whoever
pulls it is joined here with the holder, who is asked to push it; the parts pass through a `Pipe` that holds few of
them, so that the pace is the reader's. What must outlive its holder lies in the blob store.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Protocol

from msgspec.structs import replace

from farhand.core.discarding import fits
from farhand.core.refs import SECRET_SIZE, SPOOLED, Claims, check, dialled, key_of, sign
from farhand.errors import (
    FarhandError,
    InvalidArguments,
    OutOfSpace,
    Overloaded,
    PermissionDenied,
    RefNotFound,
    Unavailable,
)
from farhand.hub.ids import Ids
from farhand.model.blob import Blob, check_id
from farhand.model.limits import PARTS_AHEAD, SECONDS_LIMIT
from farhand.model.payload import Media, Payload, format_of, media_of
from farhand.model.ref import Ref, from_payload
from farhand.ports.blobs import Blobs, Reader, Writer

PIPES_LIMIT = 1_000
"""Transfers that pass through one hub at once."""
OPEN_TIMEOUT = 10.0
"""Seconds that a holder has to open its stream once it is asked."""
TAKEN_TIMEOUT = 10.0
"""Seconds that a reader has to say that what it got is whole."""
KEPT = 10 * 365 * 86_400.0
"""Seconds for which the ref in a job's own log lets fetch: as long as there is the log. Others expire sooner."""
GIVEN = 3600.0
"""Seconds for which a ref lets fetch that somebody asked for, unless he says otherwise."""
ARGUMENTS = "-args"
"""How the id of an upload ends that is to be a job's arguments; before it is the id that the job gets."""
RESULT = "-result"
"""The same of a small result that somebody asked a ref for."""
SECRET = "hub-secret"
"""The blob in which hubs that share blobs find the secret of their refs."""


_REF = int(Media.REF)


Unpack = Callable[[AsyncIterable[bytes], int, int], AsyncIterator[memoryview]]
"""Parts, their size together (-1: not known) and the offset of the first → their bytes."""


class Holder(Protocol):
    """A connected peer that holds payloads. Called on the hub's loop; it must not block or raise."""

    def push(self, transfer: str, id: str, offset: int) -> None:
        """Ask it to send the bytes of a ref from `offset` on, as this transfer; none: to let the ref go."""


class Pipe:
    """One payload on its way from its holder to one reader; both ends run on the hub's loop."""

    def __init__(self, release: Callable[[], None]) -> None:
        """`release` tells the holder that the ref isn't needed any more, where its own stream won't."""
        self._release = release
        self._parts: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._full: asyncio.Future[None] | None = None
        self._joined = asyncio.Event()
        self._over: FarhandError | bool = False
        self._left = False
        self._taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    # -- the holder's end --------------------------------------------------------------------------------------------

    def join(self) -> None:
        """The holder's stream is here."""
        self._joined.set()

    async def put(self, part: bytes) -> bool:
        """Pass a part on; whether anybody still reads."""
        self._parts.append(part)
        _wake(self._waiting)
        while len(self._parts) >= PARTS_AHEAD and not self._left:
            self._full = asyncio.get_running_loop().create_future()
            await self._full
        return not self._left

    async def finish(self) -> bool:
        """That was all; whether the reader says that it needs the ref no more."""
        self._over = True
        _wake(self._waiting)
        while self._parts and not self._left:
            self._full = asyncio.get_running_loop().create_future()
            await self._full
        try:
            async with asyncio.timeout(TAKEN_TIMEOUT):
                return await asyncio.shield(self._taken)
        except TimeoutError:
            return False

    def fail(self, error: FarhandError) -> None:
        """The holder is gone, or has nothing."""
        if not self._over:
            self._over = error
            self._joined.set()
            _wake(self._waiting)

    # -- the reader's end --------------------------------------------------------------------------------------------

    async def opened(self) -> None:
        """Wait for the holder's stream.

        Raises:
            Unavailable: it doesn't come.
            RefNotFound: it has nothing of this name any more.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                await self._joined.wait()
        except TimeoutError:
            raise Unavailable("the holder of this payload doesn't answer: try again") from None
        if isinstance(self._over, FarhandError) and not self._parts:
            raise self._over

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._parts:
                part = self._parts.popleft()
                _wake(self._full)
                yield part
            if self._over:
                if isinstance(self._over, FarhandError):
                    raise self._over
                return
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def leave(self, taken: bool = False) -> None:
        """The reader is done; `taken`: it needs the ref no more."""
        self._left = True
        self._parts.clear()
        if not self._taken.done():
            self._taken.set_result(taken)
            if taken and not self._over:  # an answer that comes while a peer writes may get lost
                self._release()
        _wake(self._full)


class Transfers:
    """All of one hub. All calls belong to its event loop. `now` is in seconds since 1970."""

    def __init__(
        self,
        secret: bytes | None = None,
        blobs: Blobs | None = None,
        unpack: Unpack | None = None,
        now: Callable[[], float] = time.time,
        budget: int = 0,
    ) -> None:
        """`secret` signs refs; hubs that share blobs share it (`shared_secret`). `unpack` reads parts, for callers that
        don't read refs. `budget` is how many bytes may be kept, 0 for as many as there is room for."""
        self.blobs = blobs
        self.budget = budget
        self.used = 0
        """Bytes that are kept, as was last seen."""
        self._unpack = unpack
        self._secret = secret or secrets.token_bytes(SECRET_SIZE)
        self._now = now
        self._new_id = Ids()
        self._holders: dict[str, tuple[Holder, str]] = {}
        self._pipes: dict[str, Pipe] = {}

    # -- holders -----------------------------------------------------------------------------------------------------

    def attach(self, name: str, holder: Holder, direct: str = "") -> bytes:
        """A peer is connected that may hold payloads; the key for its refs. `direct` is its data port, if any."""
        self._holders[name] = (holder, direct)
        return key_of(self._secret, name)

    def detach(self, name: str, holder: Holder) -> None:
        """It is connected no more, unless another one took its name."""
        if self._holders.get(name, (None, ""))[0] is holder:
            del self._holders[name]

    # -- refs --------------------------------------------------------------------------------------------------------

    def check(self, id: str, token: str) -> Claims:
        """What a ref's token says.

        Raises:
            PermissionDenied: it isn't this hub's, or of another ref.
            RefExpired: its time is over.
        """
        return check(self._secret, id, token, self._now())

    async def about(self, id: str, token: str) -> Ref:
        """The whole ref of what the hub keeps under this id, for a caller who has no more than that and its token.

        Raises:
            PermissionDenied, RefExpired: as `check`.
            RefNotFound: it isn't kept here.
        """
        claims = self.check(id, token)
        blob = None if self.blobs is None else await self.blobs.stat(id)
        if blob is None:
            raise RefNotFound(f"{id} is not kept here, or not any more")
        return Ref(
            id=id, format=claims.format, size=blob.size, checksum=blob.checksum, expires=claims.expires, token=token
        )

    def locate(self, id: str, token: str) -> str:
        """The data port where a ref's bytes can be had: the one in its token, if its holder is connected and said the
        same; else empty.

        Raises:
            PermissionDenied, RefExpired: as `check`.
        """
        claims = self.check(id, token)
        _, direct = self._holders.get(claims.holder, (None, ""))
        try:
            return dialled(claims.direct, claims, (direct,))
        except PermissionDenied:
            return ""

    # -- fetching ----------------------------------------------------------------------------------------------------

    async def open(self, id: str, token: str, offset: int = 0) -> Pipe | Reader:
        """Begin to fetch a ref's bytes from `offset` on: parts from its holder, or plain bytes from the blob store.

        Raises:
            PermissionDenied, RefExpired: as `check`.
            RefNotFound: nobody has it any more.
            Unavailable: its holder isn't connected, or doesn't answer: it may be back in a moment.
            Overloaded: the hub passes on as many payloads as it can.
        """
        holder = self.check(id, token).holder
        error: FarhandError = RefNotFound(f"this hub keeps no payloads, so {id} isn't here")
        if holder != SPOOLED:
            error = Unavailable(f"the worker or client that holds {id} isn't connected: try again in a moment")
            if holder in self._holders:
                try:
                    return await self._from_holder(holder, id, offset)
                except RefNotFound as gone:
                    error = gone
        if self.blobs is not None and (holder == SPOOLED or await self.blobs.stat(id) is not None):
            return await self.blobs.open(id, offset)
        raise error

    async def read(self, ref: Ref, offset: int = 0) -> AsyncIterator[bytes | memoryview]:
        """The bytes of a ref from `offset` on, for a caller that doesn't read refs.

        Raises:
            DataDamaged: they arrived altered; this comes behind them.
            FarhandError: as `open`.
        """
        source = await self.open(ref.id, ref.token, offset)
        if not isinstance(source, Pipe):
            async with source:
                async for data in source:
                    yield data
            return
        assert self._unpack is not None, "a hub with doors was told how to read parts"
        whole = False
        try:
            async for piece in self._unpack(source, ref.size, offset):
                yield piece
            whole = True
        finally:
            source.leave(whole)

    async def whole(self, payload: Payload, limit: int) -> Payload:
        """A payload of up to `limit` bytes in one piece, also where it is a ref; a ref to more stays one.

        Raises:
            FarhandError: as `read`.
        """
        if payload.media != _REF:
            return payload
        ref = from_payload(payload)
        if not 0 <= ref.size <= limit:
            return payload
        return Payload(b"".join([piece async for piece in self.read(ref)]), media_of(ref.format))

    async def _from_holder(self, holder: str, id: str, offset: int) -> Pipe:
        if len(self._pipes) >= PIPES_LIMIT:
            raise Overloaded(f"this hub passes on {PIPES_LIMIT:,} large payloads already", retry_after=1.0)
        to = self._holders[holder][0]
        transfer, pipe = secrets.token_hex(16), Pipe(lambda: to.push("", id, 0))
        self._pipes[transfer] = pipe
        try:
            to.push(transfer, id, offset)
            await pipe.opened()
        except BaseException:
            pipe.leave()
            raise
        finally:
            del self._pipes[transfer]
        return pipe

    def joined(self, transfer: str) -> Pipe:
        """The pipe of a transfer that its holder has opened a stream for.

        Raises:
            RefNotFound: nobody waits for it any more.
        """
        pipe = self._pipes.get(transfer)
        if pipe is None:
            raise RefNotFound("nobody waits for this transfer any more")
        pipe.join()
        return pipe

    # -- keeping -----------------------------------------------------------------------------------------------------

    async def begin(self, job: str, id: str, token: str) -> Writer:
        """Begin to keep bytes: those of a job, of one that is still to be submitted (no `job`), or of the ref `id`,
        which its holder gives up.

        Raises:
            Unavailable: this hub keeps none.
            PermissionDenied: the ref isn't the holder's.
            OutOfSpace: there is no room.
        """
        blobs = self._kept_by(self.blobs)
        if self.budget and not fits(-1, self.used, self.budget):
            raise OutOfSpace(
                f"the hub keeps {self.used:,} bytes of large payloads, and may keep {self.budget:,}: give it a larger "
                "--blob-budget, or wait until jobs are deleted"
            )
        if id:
            self.check(id, token)
        elif job:
            id = f"{check_id(job)}-{secrets.token_hex(8)}"
        else:
            id = self._new_id() + ARGUMENTS
        return await blobs.begin(id)

    def kept(self, blob: Blob, format: str) -> Ref:
        """The ref of what is kept now, for as long as the log lasts that it goes into."""
        self.used += blob.size
        return self._signed(blob, format, self._now() + KEPT)

    def uploaded(self, args: Payload) -> str:
        """The id that a job with these arguments, which are a ref, is to have; empty where any will do.

        Raises:
            InvalidArguments: the ref is none, or not of what the hub keeps: its holder may be gone when the job runs.
            PermissionDenied, RefExpired: as `check`.
        """
        ref = from_payload(args)
        if self.check(ref.id, ref.token).holder != SPOOLED:
            raise InvalidArguments("a durable job's arguments are kept by the hub: upload them (DataService.Put) first")
        return ref.id.removesuffix(ARGUMENTS) if ref.id.endswith(ARGUMENTS) else ""

    async def give(self, job: str, result: Payload, seconds: float) -> Ref:
        """A ref to a job's result for somebody who may fetch it for so many seconds; a small result is put beside the
        large ones for that.

        Raises:
            InvalidArguments: the seconds make no sense.
            FarhandError: it can't be kept, as the class says.
        """
        if not 0 <= seconds <= SECONDS_LIMIT:
            raise InvalidArguments(f"a ref is good for 0 to {SECONDS_LIMIT:,.0f} seconds, not {seconds!r}")
        expires = self._now() + (seconds or GIVEN)
        if result.media == _REF:
            return sign(self._secret, replace(from_payload(result), expires=expires))
        async with await self._kept_by(self.blobs).begin(f"{check_id(job)}{RESULT}") as writer:
            await writer.write(result.data)
            blob = await writer.commit(len(result.data), "")
        return self._signed(blob, format_of(result.media), expires)

    def _signed(self, blob: Blob, format: str, expires: float) -> Ref:
        ref = Ref(id=blob.id, format=format, size=blob.size, checksum=blob.checksum, expires=expires)
        return sign(self._secret, ref)

    @staticmethod
    def _kept_by(blobs: Blobs | None) -> Blobs:
        if blobs is None:
            raise Unavailable("this hub keeps no payloads: start it with a store", retryable=False)
        return blobs


async def shared_secret(blobs: Blobs) -> bytes:
    """The secret that is kept beside the blobs, made if there is none yet.

    Raises:
        Unavailable: the store can't be reached.
    """
    if await blobs.stat(SECRET) is None:
        try:
            async with await blobs.begin(SECRET) as writer:
                await writer.write(secrets.token_bytes(SECRET_SIZE))
                await writer.commit(SECRET_SIZE, "")
        except InvalidArguments:
            pass  # another hub was first, and has written another one
    async with await blobs.open(SECRET) as reader:
        return b"".join([piece async for piece in reader])


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
