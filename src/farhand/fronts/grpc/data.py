"""The door for large payloads: `DataService`, whose parts pass through as they are unless the hub itself keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from farhand.carriage.serving import said_taken
from farhand.errors import FarhandError, InvalidArguments, ProtocolViolation, RefNotFound, Unavailable
from farhand.fronts.grpc.guard import Context, read
from farhand.fronts.grpc.jobs import JobService
from farhand.hub.transfers import Pipe, Transfers
from farhand.model.blob import CHECKSUM
from farhand.model.event import to_fault
from farhand.model.limits import PART
from farhand.model.ref import Ref, as_payload
from farhand.ports.blobs import Reader
from farhand.wire.farhand import bodies, incoming
from farhand.wire.farhand._pb import common_pb2, data_pb2
from farhand.wire.farhand.transfer import GONE, TRANSFER, Incoming, data_part, end_part, read_part


class DataService:
    """`farhand.v1.DataService`."""

    def __init__(self, transfers: Transfers, jobs: JobService) -> None:
        self._transfers = transfers
        self._jobs = jobs

    async def pull(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Pull: from whoever holds it, or from the blob store."""
        first = await read(context)
        if first is grpc.aio.EOF:
            raise ProtocolViolation("a pull begins with what is wanted")
        asked = incoming.parse(data_pb2.PullRequest, first)
        source = await self._transfers.open(asked.id, asked.token, asked.offset)
        if not isinstance(source, Pipe):
            async with source:
                async for part in parts_of(source, asked.offset):
                    await context.write(part)
            return
        said = asyncio.ensure_future(said_taken(context))
        try:
            async for part in source:
                if said.done():
                    break
                await context.write(part)
            await said
        finally:
            source.leave(said.done() and not said.cancelled() and said.result())

    async def push(self, requests: AsyncIterator[bytes], context: Context) -> data_pb2.PushResponse:
        """Push: of what a holder was asked for."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        pipe = self._transfers.joined(metadata.get(TRANSFER, ""))
        over: FarhandError = Unavailable("whoever sends this payload was cut off: try again")
        try:
            if GONE in metadata:
                over = RefNotFound("this payload was fetched, or nobody asked for it in time: run the job again")
                return data_pb2.PushResponse()
            put = pipe.put
            whole = False
            while (part := await read(context)) is not grpc.aio.EOF:
                if len(part) > 2 * PART:
                    over = ProtocolViolation(f"a part of {len(part):,} bytes is over the limit")
                    raise over
                whole = part[0:1] == _END
                if not await put(part):
                    return data_pb2.PushResponse()
            return data_pb2.PushResponse(taken=whole and await pipe.finish())
        finally:
            pipe.fail(over)

    async def put(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Put: into the blob store. A fault is a message, not the status, which a peer that writes could miss."""
        try:
            ref = await self._keep(context)
        except FarhandError as error:
            fault = common_pb2.Fault.FromString(bodies.fault_bytes(to_fault(error)))
            await context.write(data_pb2.PutAnswer(fault=fault).SerializeToString())
            while await read(context) is not grpc.aio.EOF:
                pass  # until the peer has seen it, and cancels
        else:
            await context.write(data_pb2.PutAnswer(ref=bodies.payload_message(as_payload(ref))).SerializeToString())

    async def _keep(self, context: Context) -> Ref:
        first = await read(context)
        if first is grpc.aio.EOF:
            raise ProtocolViolation("a put begins with what it is")
        asked = read_part(first).put
        try:
            begun = await self._transfers.begin(asked.job, asked.id, asked.token)
        except InvalidArguments as error:
            raise ProtocolViolation(f"this can't be kept: {error.message}") from error
        got = Incoming()
        async with begun as writer:
            while not got.ended:
                part = await read(context)
                if part is grpc.aio.EOF:
                    raise ProtocolViolation("a put ends with its end")
                data = got.take(part)
                if data is not None:
                    await writer.write(data)
            return self._transfers.kept(await writer.commit(got.offset, got.checksum), asked.format)

    async def locate(self, request: data_pb2.LocateRequest, context: Context) -> data_pb2.LocateResponse:
        """Locate."""
        return data_pb2.LocateResponse(address=self._transfers.locate(request.id, request.token))

    async def get_ref(self, request: data_pb2.RefRequest, context: Context) -> common_pb2.Payload:
        """GetRef."""
        return bodies.payload_message(as_payload(await self._jobs.kept().ref(request.job_id, request.seconds)))


_END = data_pb2.Part(end=data_pb2.End()).SerializeToString()[:1]


async def parts_of(reader: Reader, offset: int = 0) -> AsyncIterator[bytes]:
    """A blob that is read from `offset` on, in parts with their end."""
    blob = reader.blob
    async for data in reader:
        yield data_part(offset, data)
        offset += len(data)
    yield end_part(blob.size, bytes.fromhex(blob.checksum.removeprefix(CHECKSUM)))
