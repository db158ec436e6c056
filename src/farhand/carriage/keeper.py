"""What this process holds for others to fetch, and how much that may be."""

from __future__ import annotations

import os
import secrets
import threading
import time
from concurrent.futures import Future

from farhand.core.refs import sign_held
from farhand.errors import RefNotFound, Unavailable
from farhand.model.limits import LINGER
from farhand.model.payload import format_of
from farhand.model.ref import Ref
from farhand.wire.codecs.base import Encoded

ROOM = 1024 * 1024 * 1024
"""Bytes of memory held beyond which whoever makes more waits, unless nothing is held; an eighth of the machine's, where
that is less."""
EXPIRES = 24 * 3600.0
"""Seconds for which the token of a held payload is good; it is let go much sooner."""


class Held:
    """A payload that is held. `digest` is its XXH3-128 once it is known, `sending` how many read it now."""

    __slots__ = ("digest", "encoded", "id", "sending", "token", "touched")

    def __init__(self, id: str, encoded: Encoded, token: str) -> None:
        self.id = id
        self.encoded = encoded
        self.token = token
        self.digest: bytes | None = None
        self.sending = 0
        self.touched = time.monotonic()


class Keeper:
    """All that one process holds. From any thread."""

    def __init__(self) -> None:
        self.holder = ""
        self._key = b""
        self._direct = ""
        self._room = min(ROOM, _memory() // 8)
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._size = 0
        self._waiting: list[Future[None]] = []

    def welcome(self, holder: str, key: bytes, direct: str = "") -> None:
        """The hub knows this process as `holder` and gave it the key for its refs; `direct` is its data port."""
        self.holder, self._key, self._direct = holder, key, direct

    @property
    def key(self) -> bytes:
        """The key of its refs; empty before a hub gave one."""
        return self._key

    def keep(self, encoded: Encoded) -> Ref:
        """Hold a payload; the ref that stands for it.

        Raises:
            Unavailable: no hub has let this process in that passes payloads on.
        """
        if not self._key:
            raise Unavailable("the hub passes on nothing that is larger than 64 KiB: use one of this version")
        id = secrets.token_hex(16)
        ref = Ref(
            id=id,
            format=format_of(encoded.media),
            size=encoded.size,
            direct=self._direct,
            expires=time.time() + EXPIRES,
        )
        ref = sign_held(self._key, ref, self.holder)
        with self._lock:
            self._held[id] = Held(id, encoded, ref.token)
            self._size += encoded.in_memory
        return ref

    def room(self) -> Future[None] | None:
        """None where there is room for another; else what comes when there may be."""
        with self._lock:
            if self._size < self._room or not self._held:
                return None
            return self._next_drop()

    def next_drop(self) -> Future[None]:
        """What comes when something is let go."""
        with self._lock:
            return self._next_drop()

    def _next_drop(self) -> Future[None]:
        waiting: Future[None] = Future()
        self._waiting.append(waiting)
        return waiting

    def get(self, id: str) -> Held:
        """What is held under this id.

        Raises:
            RefNotFound: nothing.
        """
        with self._lock:
            held = self._held.get(id)
            if held is None:
                raise RefNotFound(f"{id} was fetched, or nobody asked for it for {LINGER:g} s: run the job again")
            held.touched = time.monotonic()
            return held

    def drop(self, id: str) -> None:
        """Let it go."""
        with self._lock:
            held = self._held.pop(id, None)
            if held is None:
                return
            self._size -= held.encoded.in_memory
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def sweep(self) -> None:
        """Let go what nobody has asked for in a long time."""
        late = time.monotonic() - LINGER
        with self._lock:
            old = [held.id for held in self._held.values() if held.touched < late and not held.sending]
        for id in old:
            self.drop(id)

    @property
    def left(self) -> list[Held]:
        """What is held."""
        with self._lock:
            return list(self._held.values())


def _memory() -> int:
    """Bytes of the machine's memory; 8 GiB where it doesn't say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 1024 * 1024 * 1024
