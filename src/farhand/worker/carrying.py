"""How a job's large payloads leave this process and come into it: to the hub's own streams, or, in a child process,
through files that its parent takes up."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import msgspec

from farhand.carriage.landing import Temporary, mapped
from farhand.errors import InvalidArguments, OutOfSpace
from farhand.model.job import Input
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import LOCAL, Media, Payload
from farhand.model.ref import SIZE_LIMIT
from farhand.wire.codecs.base import Arrived, Encoded, OnDisk
from farhand.wire.values import DEFAULT, Codecs


class Carrier(Protocol):
    """What a call needs. From any thread; what isn't there at once comes in a future that may be cancelled."""

    def carry(self, found: Encoded, job: str) -> Payload | Future[Payload]:
        """What stands in a frame for a large payload: held here until somebody fetches it, or, of the durable job
        `job` (empty: none), kept by the hub."""

    def resolve(self, payload: Payload) -> Future[Payload]:
        """The payload with what refs stand for in their place."""


class _Place(msgspec.Struct, array_like=True):
    """What a LOCAL payload says."""

    media: int
    size: int
    path: str


_BUNDLE, _REF = int(Media.BUNDLE), int(Media.REF)
_READ = msgspec.msgpack.Decoder(_Place)


class ByFile:
    """The carrier of a child process: its parent fetches for it, and takes over the files that it writes."""

    def carry(self, found: Encoded, job: str) -> Payload | Future[Payload]:
        """As `Carrier`: at once, in a file."""
        try:
            return write_local(found)
        except OSError as error:
            raise OutOfSpace(
                f"a large value can't be written to {tempfile.gettempdir()}: {error.strerror or error}"
            ) from error

    def resolve(self, payload: Payload) -> Future[Payload]:
        """As `Carrier`."""
        done: Future[Payload] = Future()
        done.set_result(read_local(payload))
        return done


def needs_fetching(args: Payload, inputs: Sequence[Input]) -> bool:
    """Whether something in a call's arguments is elsewhere."""
    if args.media < _BUNDLE and not inputs:
        return False
    return any(map(_is_elsewhere, (args, *(value for one in inputs for value in one.values))))


def _is_elsewhere(payload: Payload) -> bool:
    if payload.media == _BUNDLE:
        try:
            return bool(DEFAULT.bundle((payload.data,)).refs)
        except InvalidArguments:
            return False  # whoever reads it says so
    return payload.media in (_REF, LOCAL)


def write_local(found: Encoded) -> Payload:
    """Put a payload into a file, for the parent of this process, which removes it.

    Raises:
        OSError: it can't be written.
    """
    fd, path = tempfile.mkstemp(prefix=prefix_of(os.getppid()))
    try:
        with os.fdopen(fd, "wb") as file:
            for one in found.buffers:
                file.write(one.read() if type(one) is OnDisk else one)
    except BaseException:
        os.unlink(path)
        raise
    return Payload(msgspec.msgpack.encode(_Place(found.media, found.size, path)), LOCAL)


def prefix_of(parent: int) -> str:
    """How the files begin that the children of this process write."""
    return f"farhand-child-of-{parent}-"


def remove_left(parent: int) -> None:
    """Remove what children that were killed have left."""
    for name in glob.glob(os.path.join(tempfile.gettempdir(), glob.escape(prefix_of(parent)) + "*")):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def for_child(payload: Payload, codecs: Codecs) -> tuple[Payload, Temporary | None]:
    """A payload as it goes to a child process, which is in a file, there as long as what comes with it, where it is too
    large for a frame.

    Raises:
        OSError: it can't be written.
    """
    if isinstance(payload, Arrived) and payload.parts:
        joined = codecs.encode(codecs.read(payload), limit=SIZE_LIMIT)
        payload = Payload(joined.payload().data, joined.media)
    if isinstance(payload, Arrived) and payload.place is not None:
        place, owner = payload.place, payload.place.owner
        return Payload(msgspec.msgpack.encode(_Place(payload.media, place.size, place.path)), LOCAL), owner
    if len(payload.data) <= PAYLOAD_LIMIT // 4:
        return payload, None
    owner = Temporary()
    owner.write(memoryview(payload.data))
    owner.close()
    return Payload(msgspec.msgpack.encode(_Place(payload.media, len(payload.data), owner.path)), LOCAL), owner


def read_local(payload: Payload) -> Payload:
    """A payload that came from the worker's parent process, lying over its file; others as they are."""
    if payload.media != LOCAL:
        return payload
    place = _READ.decode(payload.data)
    return Arrived(mapped(place.path), place.media, OnDisk(place.path, 0, place.size))


def taken_over(body: bytes) -> Encoded:
    """What came from a child in a file, to be carried on by its parent; the file lives as long as that."""
    place = _READ.decode(body)
    return Encoded(place.media, (OnDisk(place.path, 0, place.size, Temporary(place.path)),), place.size)
