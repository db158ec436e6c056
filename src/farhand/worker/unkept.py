"""What a leased call has said that its hub may not have kept: its worker says it again to the hub it finds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from farhand.model.event import Event, Kind
from farhand.model.limits import TEXT_LIMIT
from farhand.model.payload import charged
from farhand.wire.farhand import bodies

CHATTER_ROWS, CHATTER_SIZE = 1_000, 256 * 1024
"""Progress and console events kept while there is no hub, and their bytes; more are dropped, and a mark says so."""

Row = tuple[int, bytes, int, int]
"""An event as (kind, body, media, number)."""

_CHUNK, _CONSOLE, _PROGRESS, _SUCCEEDED = int(Kind.CHUNK), int(Kind.CONSOLE), int(Kind.PROGRESS), int(Kind.SUCCEEDED)


class Unkept:
    """Of one call, in the order in which it was said. Chunks are bounded by the credit of their reader, which is given
    as they are kept; progress and console text are only held while there is no hub."""

    __slots__ = ("_acked", "_chatter", "_dropped", "_rows", "_size", "ended")

    def __init__(self) -> None:
        self._rows: deque[Row] = deque()
        self._acked = 0
        self._chatter = self._size = self._dropped = 0
        self.ended = False

    def chunk(self, body: bytes, media: int, number: int) -> None:
        """A chunk was said."""
        self._rows.append((_CHUNK, body, media, number))

    def end(self, kind: int, body: bytes, media: int, number: int) -> None:
        """The end was said."""
        self.ended = True
        self._rows.append((kind, body, media, number))

    def chatter(self, event: Event) -> None:
        """Progress or text, for which there is no hub."""
        body, _ = bodies.body_of(event)
        kind = int(event.kind)
        if self._rows and self._rows[-1][0] == kind:
            old = self._rows[-1][1]
            if kind == _PROGRESS:
                self._size += len(body) - len(old)
                self._rows[-1] = (kind, body, 0, 0)
                return
            if len(old) + len(body) <= TEXT_LIMIT and self._size + len(body) <= CHATTER_SIZE:
                self._size += len(body)
                self._rows[-1] = (kind, old + body, 0, 0)
                return
        if self._chatter >= CHATTER_ROWS or self._size + len(body) > CHATTER_SIZE:
            self._dropped += 1
            return
        self._chatter += 1
        self._size += len(body)
        self._rows.append((kind, body, 0, 0))

    def kept(self, amount: int) -> None:
        """The reader has taken so many bytes of chunks: the oldest are kept."""
        self._acked += amount
        rows = self._rows
        while rows and rows[0][0] == _CHUNK and (cost := charged(len(rows[0][1]), rows[0][2])) <= self._acked:
            self._acked -= cost
            rows.popleft()

    def adopted(self, chunks: int) -> int:
        """A hub has so many chunks: forget them; the bytes of credit that they had taken."""
        freed, rest = 0, deque[Row]()
        for row in self._rows:
            if row[0] == _CHUNK and row[3] <= chunks:
                freed += charged(len(row[1]), row[2])
            else:
                rest.append(row)
        self._rows, self._acked = rest, 0
        return freed

    def again(self) -> Iterator[Row]:
        """All of it, to be said again. Progress and text are then forgotten: they are said at most once."""
        last = self._rows.pop() if self.ended else None
        yield from self._rows
        if self._dropped:
            text = f"… [{self._dropped:,} events not shown: there was no hub for them]\n"
            yield _CONSOLE, bodies.body_of(Event(Kind.CONSOLE, text=text))[0], 0, 0
        if last is not None:
            yield last
            self._rows.append(last)
        self._rows = deque(row for row in self._rows if row[0] == _CHUNK or row[0] >= _SUCCEEDED)
        self._chatter = self._size = self._dropped = 0
