"""Another service's gRPC data: which of its rpcs is called, and how what it gives becomes bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from farhand.errors import InputRefused
from farhand.wire.control import messages
from farhand.wire.control.messages import Rpc
from farhand.wire.control.orders import Reference

LAST = "GetLastResult"
LOOK = 0.5
"""Seconds between looks whether the task was cancelled, while an answer is waited for."""

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.min_reconnect_backoff_ms", 10_000),  # which is how long connecting may take
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
]
Fetched = tuple[type[Message] | None, bool, Iterator[bytes]]


class Upstream:
    """Calls other services. `rpcs` are those that are known here; of others, their reflection is asked."""

    def __init__(self, rpcs: Sequence[Rpc]) -> None:
        self._rpcs = [rpc for rpc in rpcs if rpc.asks_nothing]

    def fetch(
        self, addresses: Sequence[str], name: str, reference: Reference, task: str, check: Callable[[], None]
    ) -> Fetched:
        """What an upstream at the first of these addresses that answers, known by this name, gives: the message's type,
        whether there are many, and the bytes, which are fetched as they are taken.

        Raises:
            InputRefused: it can't be had.
        """
        metadata = (("x-task-id", task),) if task else ()
        for address in addresses:
            channel = _channel(address, name)
            try:
                rpc, pieces = self._first(channel, reference, metadata, check)
            except grpc.RpcError as raised:
                error: Any = raised
                channel.close()
                if error.code() is grpc.StatusCode.UNAVAILABLE and address != addresses[-1]:
                    continue
                raise InputRefused(_said(name, error)) from None
            except BaseException:
                channel.close()
                raise
            carrying = rpc.streams and bool(messages.carrier(rpc.gives))
            return None if carrying else rpc.gives, rpc.streams and not carrying, _closing(channel, name, pieces)
        raise InputRefused(f"grpc {name} has no address")

    def _first(
        self, channel: grpc.Channel, reference: Reference, metadata: Any, check: Callable[[], None]
    ) -> tuple[Rpc, Iterator[bytes]]:
        """The first of the rpcs that may be meant which the upstream knows, and what it gives."""
        tried = []
        for rpc in _meant(self._rpcs, reference.format or ""):
            tried.append(rpc.path)
            try:
                return rpc, _call(channel, rpc, metadata, check)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
        for rpc in _meant(_reflected(channel), reference.format or ""):
            if rpc.path not in tried:
                return rpc, _call(channel, rpc, metadata, check)
        wanted = reference.format or LAST
        raise InputRefused(f"grpc {reference.uri[:200]} has no rpc that gives {wanted!r}: name its proto with --proto")


def _channel(address: str, name: str) -> grpc.Channel:
    target = f"ipv6:[{address}]" if ":" in address else f"ipv4:{address}"
    options = [*OPTIONS, ("grpc.default_authority", name)]
    return grpc.insecure_channel(f"{target}:{name.rpartition(':')[2]}", options=options)


def _meant(rpcs: Sequence[Rpc], format: str) -> list[Rpc]:
    """The rpcs that a format may mean: those of this name; else those that give one message of this name; else those
    that give the last result, whatever it is."""
    last = [rpc for rpc in rpcs if rpc.name == LAST]
    giving = [rpc for rpc in rpcs if format in _names(rpc.gives) and not rpc.streams]
    giving.sort(key=lambda rpc: rpc.name != LAST)
    return [rpc for rpc in rpcs if rpc.name == format] or giving or last


def _names(kind: type[Message]) -> tuple[str, str]:
    return kind.DESCRIPTOR.name, kind.DESCRIPTOR.full_name


def _reflected(channel: grpc.Channel) -> list[Rpc]:
    """What an upstream says of its own rpcs, in a pool of its own; nothing where it says nothing."""
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    database = ProtoReflectionDescriptorDatabase(channel)
    try:
        names = database.get_services()
        pool = DescriptorPool(database)
        services = [pool.FindServiceByName(name) for name in names if not name.startswith("grpc.")]
    except (grpc.RpcError, KeyError, TypeError):
        return []
    return [rpc for rpc in messages.rpcs_of(services) if rpc.asks_nothing]


def _call(channel: grpc.Channel, rpc: Rpc, metadata: Any, check: Callable[[], None]) -> Iterator[bytes]:
    """Call an rpc; its bytes. What refuses the call is raised here."""
    if rpc.streams:
        call: Any = channel.unary_stream(rpc.path, _as_it_is, _as_it_is)(b"", metadata=metadata)
        field = messages.carrier(rpc.gives)

        def part(data: bytes) -> bytes:
            return getattr(messages.decode(data, rpc.gives), field) if field else messages.delimited(data)

        first = next(call, None)
        return _after(part(first), (part(data) for data in call)) if first is not None else iter(())
    future = channel.unary_unary(rpc.path, _as_it_is, _as_it_is).future(b"", metadata=metadata)
    while True:
        try:
            return iter([future.result(LOOK)])
        except grpc.FutureTimeoutError:
            try:
                check()
            except BaseException:
                future.cancel()
                raise


def _as_it_is(data: bytes) -> bytes:
    return data


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _closing(channel: grpc.Channel, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except grpc.RpcError as error:
        raise InputRefused(_said(name, error)) from None
    finally:
        channel.close()


def _said(name: str, error: Any) -> str:
    return f"grpc {name} gives no data: {error.code().name}: {str(error.details())[:500]}"
