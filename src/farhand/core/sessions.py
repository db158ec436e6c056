"""Which session lives on which worker, for how long, and what a worker's loss means for it."""

from __future__ import annotations

from farhand.errors import InvalidArguments, Overloaded, SessionLost
from farhand.model.limits import NAME_LIMIT
from farhand.model.session import Session

MAX_SESSIONS = 10_000


class _Entry:
    __slots__ = ("active", "link", "lost", "moved", "session", "used")

    def __init__(self, session: Session, now: float) -> None:
        self.session = session
        self.used = now
        self.active = 0
        self.link: int | None = None
        self.moved = False
        self.lost = False


class Sessions:
    """The open sessions. A session is pinned by its first call, not when it is opened."""

    __slots__ = ("_by_link", "_limit", "_open")

    def __init__(self, limit: int = MAX_SESSIONS) -> None:
        self._limit = limit
        self._open: dict[str, _Entry] = {}
        self._by_link: dict[int, dict[str, None]] = {}

    def open(self, session: Session, now: float) -> None:
        """Keep a session.

        Raises:
            Overloaded: too many are open.
            InvalidArguments: one of this id is open.
        """
        if len(self._open) >= self._limit:
            raise Overloaded(
                f"{self._limit:,} sessions are open; close some, or give them a shorter ttl", retry_after=5
            )
        if session.id in self._open:
            raise InvalidArguments(f"session {session.id} is open already")
        self._open[session.id] = _Entry(session, now)

    def __len__(self) -> int:
        return len(self._open)

    def get(self, session: str) -> Session:
        """The session, for a call in it.

        Raises:
            SessionLost: it isn't open, or its worker is gone.
        """
        entry = self._open.get(session)
        if entry is None:
            raise SessionLost(
                f"session {session[:NAME_LIMIT]} is not open: it was closed, or unused for longer than its ttl"
            )
        if entry.lost:
            raise SessionLost(f"the worker of session {session} is gone, and its state with it: open a new session")
        return entry.session

    def link_of(self, session: str) -> int | None:
        """The link it is pinned to, if any."""
        entry = self._open.get(session)
        return entry.link if entry else None

    def pin(self, session: str, link: int) -> tuple[bool, bool]:
        """Its call goes to `link`; whether its state is new there, and whether it lived elsewhere before."""
        entry = self._open.get(session)
        if entry is None or entry.link == link:
            return False, False
        entry.link = link
        self._by_link.setdefault(link, {})[session] = None
        return True, entry.moved

    def begin(self, session: str, now: float) -> None:
        """A call in it was accepted."""
        entry = self._open[session]
        entry.active += 1
        entry.used = now

    def finish(self, session: str, now: float) -> None:
        """A call in it is over."""
        entry = self._open.get(session)
        if entry is not None:
            entry.active -= 1
            entry.used = now

    def active(self, session: str) -> int:
        """How many of its calls were accepted and haven't ended."""
        entry = self._open.get(session)
        return entry.active if entry else 0

    def close(self, session: str) -> int | None:
        """Forget it; the link that holds its state, if any."""
        entry = self._open.pop(session, None)
        if entry is None or entry.link is None:
            return None
        self._by_link[entry.link].pop(session, None)
        return entry.link

    def leave(self, link: int) -> dict[str, bool]:
        """The worker on `link` is gone. Its sessions, each with whether it moves on; the others are lost."""
        fates: dict[str, bool] = {}
        for session in self._by_link.pop(link, {}):
            entry = self._open[session]
            entry.link = None
            if entry.session.on_loss == "move":
                entry.moved = True
                fates[session] = True
            else:
                entry.lost = True
                fates[session] = False
        return fates

    def on(self, link: int) -> int:
        """How many sessions live there."""
        return len(self._by_link.get(link, ()))

    def expired(self, now: float) -> list[str]:
        """Sessions that have been unused for longer than their ttl."""
        return [
            session
            for session, entry in self._open.items()
            if not entry.active and now - entry.used > entry.session.ttl
        ]
