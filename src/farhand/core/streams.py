"""Order and credit of a job's chunks: none missing, none twice, and never more on the way than its reader allows."""

from __future__ import annotations

from farhand.errors import ProtocolViolation
from farhand.model.limits import CHUNK_OVERHEAD, PAYLOAD_LIMIT, WINDOW_LIMIT


class Stream:
    """What has passed of one job's chunks."""

    __slots__ = ("chunks", "credit")

    def __init__(self, window: int, chunks: int = 0) -> None:
        self.chunks = chunks
        self.credit = window

    def take(self, number: int, cost: int) -> None:
        """The chunk with this number has come, which takes so many bytes of the window.

        Raises:
            ProtocolViolation: it is not the next one, or the worker had no credit left to send it.
        """
        if number != self.chunks + 1:
            raise ProtocolViolation(f"chunk {number} came where {self.chunks + 1} was due")
        if self.credit <= -(PAYLOAD_LIMIT + CHUNK_OVERHEAD):
            raise ProtocolViolation("chunks came faster than their reader allows")
        self.chunks = number
        self.credit -= cost

    def grant(self, amount: int) -> int:
        """The reader takes this many more bytes; how many of them count."""
        counted = min(amount, max(0, WINDOW_LIMIT - self.credit))
        self.credit += counted
        return counted

    def end(self, chunks: int) -> None:
        """The worker says it is over, after so many chunks.

        Raises:
            ProtocolViolation: some of them never came, so that a cut-off stream can't look like a success.
        """
        if chunks != self.chunks:
            raise ProtocolViolation(f"the stream ended after {chunks} chunks, of which {self.chunks} came")
