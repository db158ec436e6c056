"""What a job takes from the jobs it came after: their results, read from the store."""

from __future__ import annotations

from farhand.errors import JobNotFound, LogPruned, TooLarge
from farhand.model.durable import DurableJob
from farhand.model.event import Kind
from farhand.model.job import Input
from farhand.model.limits import CHUNK_OVERHEAD, INPUTS_LIMIT
from farhand.model.payload import Media, Payload
from farhand.ports.store import Store

PAGE = 256
_NO_VALUE = int(Media.NONE)


async def inputs_of(store: Store, job: DurableJob) -> tuple[Input, ...]:
    """The arguments that are results of others. A parent that streamed gives the list of its chunks.

    Raises:
        TooLarge: they take more than 2.5 MiB together; the message names the parent that is too much.
        JobNotFound: a parent isn't there any more.
        LogPruned: chunks of a parent are not kept any more.
    """
    room = INPUTS_LIMIT
    found: list[Input] = []
    for argument, parent in job.inputs.items():
        one = await _result(store, argument, parent, room)
        room -= _size(one)
        found.append(one)
    return tuple(found)


async def _result(store: Store, argument: str, parent: str, room: int) -> Input:
    kept = await store.get(parent)
    if kept is None or kept.last is None:
        raise JobNotFound(f"job {parent}, whose result {argument!r} is to be, isn't there any more", parent=parent)
    end = (await store.read(parent, kept.offset - 1, 1))[0]
    if not end.number and end.event.payload.media != _NO_VALUE:
        found = Input(argument, (end.event.payload,))
    else:
        found = Input(argument, await _chunks(store, parent, end.number, room), chunks=True)
    if _size(found) > room:
        raise TooLarge(
            f"the result of job {parent} is too large to be the argument {argument!r}: a job takes {INPUTS_LIMIT:,} "
            "bytes (2.5 MiB) from others at most; let the parent store it, and answer where",
            limit=INPUTS_LIMIT,
            parent=parent,
        )
    return found


async def _chunks(store: Store, parent: str, count: int, room: int) -> tuple[Payload, ...]:
    """The chunks of its last attempt, `count` of them; once they take more than `room`, no more are kept."""
    offset = size = seen = first = 0
    found: list[Payload] = []
    while entries := await store.read(parent, offset, PAGE):
        first = first or entries[0].offset
        for entry in entries:
            if entry.event.kind is Kind.STARTED:
                found, size, seen = [], 0, 0
            elif entry.event.kind is Kind.CHUNK:
                seen += 1
                if size <= room:
                    found.append(entry.event.payload)
                    size += len(entry.event.payload.data) + CHUNK_OVERHEAD
        offset = entries[-1].offset + 1
    if seen != count:
        text = f"the result of job {parent} is not whole any more: its log begins at offset {first} by now. Let its "
        raise LogPruned(
            f"{text}handler keep more of it (keep_log), or store the result elsewhere", job=parent, first=first
        )
    return tuple(found)


def _size(one: Input) -> int:
    return sum(len(value.data) + CHUNK_OVERHEAD for value in one.values) + len(one.argument.encode())
