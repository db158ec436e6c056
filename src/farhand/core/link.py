"""The conversation between a hub and a peer that dialled in, as one machine for both ends.

Each end keeps a `Link` and tells it what it sends and what it receives. The table says what may be said when and by
whom; anything else is a `ProtocolViolation`, and it is the other end's. The same machine tells when a heartbeat is
due and how long the other end has been silent.
"""

from __future__ import annotations

from enum import Enum, IntFlag

from farhand.errors import ProtocolViolation
from farhand.model.limits import HEARTBEAT, PROTOCOL, SILENCE


class Role(Enum):
    """HUB is dialled; PEER dials (a worker, or a client's channel)."""

    HUB = "hub"
    PEER = "peer"

    @property
    def other(self) -> Role:
        """The opposite end."""
        return Role.PEER if self is Role.HUB else Role.HUB


class Stage(Enum):
    """How far the conversation is."""

    NEW = "new"
    GREETED = "greeted"
    OPEN = "open"
    CLOSED = "closed"


class Says(IntFlag):
    """What one frame says. A frame may say several things; they count in this order."""

    HELLO = 1
    WELCOME = 2
    WORK = 4
    HEARTBEAT = 8
    DRAINING = 16
    GOODBYE = 32


TABLE: dict[tuple[Stage, Role, Says], Stage] = {
    (Stage.NEW, Role.PEER, Says.HELLO): Stage.GREETED,
    (Stage.NEW, Role.HUB, Says.GOODBYE): Stage.CLOSED,
    (Stage.GREETED, Role.HUB, Says.WELCOME): Stage.OPEN,
    (Stage.GREETED, Role.HUB, Says.GOODBYE): Stage.CLOSED,
    (Stage.GREETED, Role.PEER, Says.GOODBYE): Stage.CLOSED,
    **{(Stage.OPEN, role, says): Stage.OPEN for role in Role for says in (Says.WORK, Says.HEARTBEAT, Says.DRAINING)},
    **{(Stage.OPEN, role, Says.GOODBYE): Stage.CLOSED for role in Role},
}


def check_protocol(version: int) -> None:
    """Refuse a peer of another protocol version.

    Raises:
        ProtocolViolation: `version` is not ours.
    """
    if version != PROTOCOL:
        raise ProtocolViolation(
            f"the peer speaks protocol {version}, this side speaks {PROTOCOL}: use the same major version of farhand",
            theirs=version,
            ours=PROTOCOL,
        )


class Link:
    """One end's view of one conversation. `role` is the end that keeps it."""

    __slots__ = ("_every", "_heard", "_left", "_said", "peer_draining", "role", "silence", "stage")

    def __init__(self, role: Role, now: float, *, heartbeat: float = HEARTBEAT, silence: float = SILENCE) -> None:
        self.role = role
        self.stage = Stage.NEW
        self.silence = silence
        self.peer_draining = False
        self._every = heartbeat
        self._left = False
        self._heard = now
        self._said = now

    def received(self, says: Says, now: float) -> None:
        """The other end said this. After this end's goodbye it doesn't count: the two may cross on their way.

        Raises:
            ProtocolViolation: it may not be said now.
        """
        self._heard = now
        if self._left or (says is Says.WORK and self.stage is Stage.OPEN):
            return
        self._move(self.role.other, says)
        if says & Says.DRAINING:
            self.peer_draining = True

    def sent(self, says: Says, now: float) -> None:
        """This end said this.

        Raises:
            ProtocolViolation: it may not be said now; a defect at this end.
        """
        self._said = now
        if says is Says.WORK and self.stage is Stage.OPEN:
            return
        self._move(self.role, says)
        if says & Says.GOODBYE:
            self._left = True

    def heartbeat_due(self, now: float) -> float:
        """Seconds until this end must say something; 0 or less: now."""
        return self._said + self._every - now

    def silent_for(self, now: float) -> float:
        """Seconds since the other end was last heard."""
        return now - self._heard

    def is_silent(self, now: float) -> bool:
        """Whether the other end has been silent for too long."""
        return now - self._heard > self.silence

    @property
    def is_open(self) -> bool:
        """Whether work may pass."""
        return self.stage is Stage.OPEN

    def _move(self, speaker: Role, says: Says) -> None:
        for one in Says:
            if says & one:
                stage = TABLE.get((self.stage, speaker, one))
                if stage is None:
                    raise ProtocolViolation(
                        f"{one.name} from the {speaker.value} is not allowed while the link is {self.stage.value}"
                    )
                self.stage = stage
