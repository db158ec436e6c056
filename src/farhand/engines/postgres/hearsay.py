"""What hubs on one schema tell each other, by NOTIFY, so that they needn't wait for their next look.

The server holds one lock for all notifications from when a transaction that has some begins to commit: so none goes
with a write. Each hub collects what it has to tell and sends it by itself, at once when it has told nothing for a
while, and never more often than that. All of it is a hint that may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from farhand.engines.postgres.sql import queries
from farhand.ports.store import News

EVERY = 0.2
"""Seconds between two messages of a hub."""
SIZE = 7_900
"""Bytes of a message; the server takes less than 8,000."""
MOST = 16
"""Messages sent at once; who has more to tell says only that there was much."""
AGAIN = 1.0
"""Seconds until it is tried again to connect."""

Hear = Callable[[News], None]


class _Told(msgspec.Struct, omit_defaults=True):
    groups: list[str] = []
    jobs: list[str] = []
    missed: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Told).decode
_MUCH = _encode(_Told(missed=True)).decode()


def messages(groups: Iterable[str], jobs: Iterable[str]) -> list[str]:
    """All of it as texts, each of them short enough; or one that says there was much."""
    told, room = [_Told()], SIZE - len(_encode(_Told(["x"], ["x"])))
    left = room
    for name, names in (("groups", groups), ("jobs", jobs)):
        for one in names:
            size = len(_encode(one)) + 1
            if size > left:
                told.append(_Told())
                left = room
            left -= size
            getattr(told[-1], name).append(one)
    return [_encode(one).decode() for one in told] if len(told) <= MOST and left >= 0 else [_MUCH]


class Hearsay:
    """A connection of its own to hear and to tell, for as long as somebody listens; made anew where it is lost."""

    def __init__(self, connect: Callable[[], Any], channel: str) -> None:
        self._connect = connect
        self._channel = channel
        self._hear: Hear | None = None
        self._groups: set[str] = set()
        self._jobs: set[str] = set()
        self._due = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def listen(self, hear: Hear) -> None:
        """Call `hear` with what others tell, from now on."""
        self._hear = hear
        self._work = asyncio.create_task(self._keep_on())

    def tell(self, *, groups: Iterable[str] = (), jobs: Iterable[str] = ()) -> None:
        """Let others know, soon."""
        if self._work is not None:
            self._groups.update(groups)
            self._jobs.update(jobs)
            if self._groups or self._jobs:
                self._due.set()

    async def close(self) -> None:
        """Disconnect."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
            self._work = None

    async def _keep_on(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # whatever it is, those who listen look too
                connection = await self._connect()
                try:
                    await self._converse(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(AGAIN)

    async def _converse(self, connection: Any) -> None:
        """Hear and tell until the connection is lost."""
        lost = asyncio.Event()

        def on_loss(_: Any) -> None:
            lost.set()
            self._due.set()

        connection.add_termination_listener(on_loss)
        await connection.add_listener(self._channel, self._heard)
        self._tell_us(News(missed=True))  # what was told while nobody was there
        while True:
            await self._due.wait()
            if lost.is_set():
                return
            self._due.clear()
            told = messages(self._groups, self._jobs)
            self._groups.clear()
            self._jobs.clear()
            await connection.execute(queries("schema")["notify"], self._channel, told)
            await asyncio.sleep(EVERY)

    def _heard(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        if pid == connection.get_server_pid():
            return
        try:
            told = _decode(payload)
        except msgspec.MsgspecError:
            return  # somebody else's: whoever may use the database may notify
        self._tell_us(News(frozenset(told.groups), frozenset(told.jobs), told.missed))

    def _tell_us(self, news: News) -> None:
        if self._hear is not None:
            self._hear(news)
