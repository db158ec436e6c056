"""One end's large payloads: what it holds, sends, fetches and gives to the hub to keep. On one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Coroutine
from typing import Any

import grpc

from farhand.carriage.keeper import Held, Keeper
from farhand.carriage.landing import Landing
from farhand.carriage.pool import Pool
from farhand.carriage.rpc import error_of
from farhand.carriage.sending import send
from farhand.core.retrying import Backoff
from farhand.errors import DataDamaged, FarhandError, InvalidArguments, Overloaded, RefNotFound, Unavailable
from farhand.model.addresses import check_address
from farhand.model.event import to_error
from farhand.model.payload import Media, Payload, format_of
from farhand.model.ref import Ref, as_payload, from_payload
from farhand.wire.codecs.base import Arrived, Encoded
from farhand.wire.farhand import bodies
from farhand.wire.farhand._pb import data_pb2
from farhand.wire.farhand.transfer import GONE, SERVICE, TRANSFER
from farhand.wire.values import DEFAULT

PATIENCE = 15.0
"""Seconds without a byte after which a fetch is given up that is cut off again and again."""
SWEEP_EVERY = 5.0
FETCHING = 0.5
"""Seconds in which a result that was just told of begins to be fetched."""
DIRECT_FROM = 1024 * 1024
"""Bytes from which on it pays to ask for a data port and dial it."""
DIAL_TIMEOUT = 2.0
LEAVE = 1.0
"""Seconds in which a fetch that nobody waits for any more tells the other end so."""
SHUNNED = 60.0
"""Seconds for which a data port is left alone that couldn't be reached."""

_REF, _BUNDLE = int(Media.REF), int(Media.BUNDLE)
_RETRIED = (Unavailable, Overloaded)
Metadata = tuple[tuple[str, str], ...]


class Carriage:
    """`address` is the hub's. Its verbs belong to the event loop that runs when `fetch`, `put` or `on_push` is first
    called; `keeper` may be used from any thread."""

    def __init__(self, address: str, metadata: Metadata | None = None) -> None:
        self.keeper = Keeper()
        self._pool = Pool(address)
        self._metadata = metadata or ()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving: set[asyncio.Task[Any]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._ports: dict[str, Pool] = {}
        self._shunned: dict[str, float] = {}
        self._closed = False

    # -- sending -----------------------------------------------------------------------------------------------------

    def on_push(self, transfer: str, id: str, offset: int) -> None:
        """The hub asks for what is held under `id`, from `offset` on; with no transfer, to let it go."""
        if not transfer:
            self.keeper.drop(id)
            return
        self._track(self._push(transfer, id, offset))

    async def _push(self, transfer: str, id: str, offset: int) -> None:
        metadata = (*self._metadata, (TRANSFER, transfer))
        try:
            held = self.keeper.get(id)
        except RefNotFound:
            held, metadata = None, (*metadata, (GONE, "1"))
        async with self._pool.stream() as channel:
            call: Any = channel.stream_unary(SERVICE + "Push", None, data_pb2.PushResponse.FromString)(
                metadata=metadata
            )
            try:
                if held is not None:
                    await send(held, offset, call.write)
                await call.done_writing()
                if (await call).taken:
                    self.keeper.drop(id)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, FarhandError):
                pass  # whoever reads sees that it was cut off, and asks again
            except asyncio.CancelledError:
                if _told_to_stop():
                    raise
            finally:
                call.cancel()

    async def hold(self, encoded: Encoded) -> Payload:
        """Hold a payload until somebody has fetched it, once there is room; the ref that stands for it.

        Raises:
            Unavailable: no hub has let this process in that passes payloads on.
        """
        while (waiting := self.keeper.room()) is not None:
            await asyncio.wrap_future(waiting)
        ref = self.keeper.keep(encoded)
        self.watch()
        return as_payload(ref)

    async def put(self, encoded: Encoded, job: str = "", patience: float = math.inf) -> Payload:
        """Give a payload to the hub to keep: for `job`, none for one that is still to be submitted. The ref that stands
        for it. While there is no hub, it is tried again, for so many seconds.

        Raises:
            OutOfSpace: the hub has no room.
            FarhandError: it can't be kept, as the class says.
        """
        backoff, loop = Backoff(), asyncio.get_running_loop()
        until = loop.time() + patience
        while True:
            try:
                return await self._put(encoded, job, None)
            except _RETRIED as error:
                if self._closed or not error.retryable or loop.time() > until:
                    raise
                await asyncio.sleep(backoff.next(random.random()))

    async def _put(self, encoded: Encoded, job: str, held: Held | None) -> Payload:
        first = data_pb2.PutRequest(job=job, format=format_of(encoded.media))
        if held is not None:
            first.id, first.token = held.id, held.token
        async with self._pool.stream() as channel:
            call: Any = channel.stream_stream(SERVICE + "Put")(metadata=self._metadata)
            sending = asyncio.ensure_future(_send_all(call, first, held or Held("", encoded, "")))
            try:
                answer = await call.read()
                if answer is grpc.aio.EOF:
                    await _raise_end(call)
                said = data_pb2.PutAnswer.FromString(answer)
                if said.HasField("fault"):
                    raise to_error(*bodies.read_fault(said.fault.SerializeToString()))
                return bodies.payload_of(said.ref)
            except asyncio.InvalidStateError:
                await _raise_end(call)
                raise
            except grpc.aio.AioRpcError as error:
                raise error_of(error) from None
            except asyncio.CancelledError:
                if _told_to_stop():
                    raise
                raise Unavailable("the hub cut the stream off") from None
            finally:
                sending.cancel()
                call.cancel()
                (trouble,) = await asyncio.gather(sending, return_exceptions=True)
                if isinstance(trouble, DataDamaged):
                    raise trouble

    # -- fetching ----------------------------------------------------------------------------------------------------

    async def resolve(self, payload: Payload) -> Payload:
        """`payload` with what refs stand for in their place: itself, or those of a bundle.

        Raises:
            FarhandError: one can't be fetched, as the class says.
        """
        if payload.media == _REF:
            payload = await self.fetch(from_payload(payload))
        if payload.media == _BUNDLE:
            refs = DEFAULT.bundle((payload.data,)).refs
            if refs:
                parts = {index: await self.fetch(from_payload(one)) for index, one in refs}
                place = payload.place if isinstance(payload, Arrived) else None
                return Arrived(payload.data, payload.media, place, parts)
        return payload

    async def fetch(self, ref: Ref) -> Payload:
        """The bytes of a ref. A fetch that is cut off goes on where it was.

        Raises:
            DataDamaged: they arrived altered.
            OutOfSpace: there is no room for them here.
            PermissionDenied, RefExpired, RefNotFound: they are not to be had.
            Unavailable: the hub, or whoever holds them, has been away for 15 s.
        """
        landing = Landing(ref)
        fetching = asyncio.ensure_future(self._fetch_all(ref, landing))
        try:
            await asyncio.shield(fetching)
        except asyncio.CancelledError:
            landing.unwanted = True
            leaving = self._track(_leave(fetching))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            raise
        return landing.result()

    async def _fetch_all(self, ref: Ref, landing: Landing) -> None:
        backoff, loop = Backoff(), asyncio.get_running_loop()
        progress, since = 0, loop.time()
        try:
            while True:
                try:
                    await self._fetch(ref, landing)
                    break
                except _RETRIED as error:
                    if landing.offset > progress:
                        progress, since = landing.offset, loop.time()
                        backoff.reset()
                    if self._closed or landing.unwanted or not error.retryable or loop.time() - since > PATIENCE:
                        raise
                await asyncio.sleep(backoff.next(random.random()))
        except BaseException:
            landing.discard()
            raise
        if landing.unwanted:
            landing.discard()

    async def _fetch(self, ref: Ref, landing: Landing) -> None:
        port = await self._port(ref) if ref.direct and ref.size >= DIRECT_FROM else None
        if port is not None:
            try:
                return await self._pull(port, ref, landing)
            except (Unavailable, Overloaded, RefNotFound):
                self._shunned[ref.direct] = asyncio.get_running_loop().time() + SHUNNED
        return await self._pull(self._pool, ref, landing)

    async def _port(self, ref: Ref) -> Pool | None:
        """The data port of a ref, if the hub says that its holder has it, and it could be reached when last tried."""
        if self._shunned.get(ref.direct, 0.0) > asyncio.get_running_loop().time():
            return None
        async with self._pool.stream() as channel:
            request = data_pb2.LocateRequest(id=ref.id, token=ref.token)
            locate = channel.unary_unary(
                SERVICE + "Locate",
                request_serializer=data_pb2.LocateRequest.SerializeToString,
                response_deserializer=data_pb2.LocateResponse.FromString,
            )
            try:
                answer = await locate(request, timeout=DIAL_TIMEOUT, metadata=self._metadata)
            except grpc.aio.AioRpcError:
                return None
        try:
            if not answer.address or answer.address != ref.direct or not check_address(answer.address):
                return None
        except InvalidArguments:
            return None
        if answer.address not in self._ports:
            self._ports[answer.address] = Pool(answer.address)
        return self._ports[answer.address]

    async def _pull(self, pool: Pool, ref: Ref, landing: Landing) -> None:
        async with pool.stream() as channel:
            if pool is not self._pool:
                await _reached(channel)
            metadata = self._metadata if pool is self._pool else ()  # a key for the hub is no worker's business
            call: Any = channel.stream_stream(SERVICE + "Pull")(metadata=metadata)
            try:
                asked = data_pb2.PullRequest(id=ref.id, token=ref.token, offset=landing.offset)
                await call.write(asked.SerializeToString())
                while not landing.incoming.ended:
                    part = await call.read()
                    if landing.unwanted:
                        await _say_taken(call)
                        return
                    if part is grpc.aio.EOF:
                        await _raise_end(call)
                    data = landing.incoming.take(part)
                    if data is not None:
                        await landing.write(data)
            except asyncio.InvalidStateError:
                await _raise_end(call)
            except grpc.aio.AioRpcError as error:
                raise error_of(error) from None
            except asyncio.CancelledError:
                if _told_to_stop():
                    raise
                raise Unavailable("the stream was cut off") from None
            finally:
                if not landing.incoming.ended:
                    call.cancel()
        self._track(_say_taken(call))

    # -- its end -----------------------------------------------------------------------------------------------------

    async def give_up(self) -> None:
        """This end is leaving: wait for who fetches just now, and let the hub keep what nobody does. What it can't
        keep is lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FETCHING):  # most are being fetched just now
                while self.keeper.left:
                    await asyncio.wrap_future(self.keeper.next_drop())
        for held in self.keeper.left:
            if held.sending:
                continue
            with contextlib.suppress(FarhandError):
                await self._put(held.encoded, "", held)
                self.keeper.drop(held.id)
        while any(held.sending for held in self.keeper.left):
            await asyncio.wrap_future(self.keeper.next_drop())

    async def close(self) -> None:
        """End what is under way."""
        self._closed = True
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=LEAVE)
        if self._sweeping is not None:
            self._sweeping.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.close()
        for pool in self._ports.values():
            await pool.close()

    def watch(self) -> None:
        """Begin to let go, in time, what nobody fetches."""
        if self._sweeping is None and not self._closed:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        self.keeper.sweep()
        if self.keeper.left:
            self.watch()

    def _track(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _told_to_stop() -> bool:
    """Whether somebody here cancelled the current task; else it was the other end that cancelled the stream."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _reached(channel: grpc.aio.Channel) -> None:
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):
            await channel.channel_ready()
    except TimeoutError:
        raise Unavailable("the data port can't be reached") from None


async def _send_all(call: Any, first: data_pb2.PutRequest, held: Held) -> None:
    """Write a put. If the hub doesn't want the rest, its answer says why.

    Raises:
        DataDamaged: a file is not there any more as it was.
    """
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        try:
            await call.write(data_pb2.Part(put=first).SerializeToString())
            await send(held, 0, call.write)
            await call.done_writing()
        except DataDamaged:
            call.cancel()
            raise


async def _raise_end(call: Any) -> None:
    """Raise what a stream ended with before it was whole."""
    code, details, trailers = await call.code(), await call.details(), await call.trailing_metadata()
    if code is grpc.StatusCode.OK:
        raise Unavailable("the stream ended before the payload was whole")
    raise error_of(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details))


async def _leave(fetching: asyncio.Task[None]) -> None:
    """Let a fetch that nobody waits for end by itself, but not for long."""
    try:
        await asyncio.wait({fetching}, timeout=LEAVE)
    finally:
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


async def _say_taken(call: Any) -> None:
    """Tell the other end that no more is needed, and read what was on its way. If that fails, it holds the payload for
    a while, and that is all."""
    try:
        await call.write(data_pb2.PullRequest(taken=True).SerializeToString())
        await call.done_writing()
        while await call.read() is not grpc.aio.EOF:
            pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass
    except asyncio.CancelledError:
        if _told_to_stop():
            raise
    finally:
        call.cancel()
