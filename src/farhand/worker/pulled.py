"""Jobs that were pulled: what the executor says of them is gathered here, instead of going into a hub's frames."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from farhand.core.console import last_text
from farhand.model.event import Event, Kind, Progress
from farhand.model.payload import Payload
from farhand.wire.codecs.base import Encoded
from farhand.wire.farhand import bodies
from farhand.worker.outbox import Outbox, Speaker

CUT = "… [what was printed before is not shown]\n"


class Pulled:
    """A job from its claim to its end. What is said of it comes from any thread; `wake` is then called."""

    def __init__(self, id: str, job_type: str, room: int, wake: Callable[[], None]) -> None:
        """`room` is how many bytes its console text may take; of more, the last are kept."""
        self.id = id
        self.job_type = job_type
        self.chunks: list[Payload] = []
        self.end: Event | None = None
        self.progress: Progress | None = None
        self.said = 0
        self._text = ""
        self._room = room
        self._wake = wake
        self._lock = threading.Lock()

    @property
    def console(self) -> str:
        """All that it has printed, or the last of it."""
        return self._text

    def say(self, event: Event) -> None:
        """It says something."""
        with self._lock:
            self.said += 1
            if event.kind is Kind.PROGRESS:
                self.progress = event.progress
            elif event.kind is Kind.CONSOLE:
                self._text = cut(last_text((self._text, event.text)), self._room)
            elif event.kind is Kind.CHUNK:
                self.chunks.append(event.payload)
            elif event.kind.final:
                self.end = event
        self._wake()


def cut(text: str, room: int) -> str:
    """A text of at most so many bytes: its end, with a mark before it that says so."""
    if len(text) * 4 <= room:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= room:
        return text
    room -= len(CUT.encode())
    return CUT + data[-room // 2 :].decode("utf-8", "ignore")  # half, so that not each word more cuts it again


class PulledOutbox(Outbox):
    """An outbox without a link: each job has its own place. `credit` is called with what a chunk took."""

    def __init__(self, credit: Callable[[str, int], None]) -> None:
        super().__init__(lambda soon: None)
        self.jobs: dict[str, Pulled] = {}
        self._credit = credit

    def started(self, speaker: Speaker) -> None:
        """As `Outbox.started`."""
        speaker.said_start = True

    def chunk(self, speaker: Speaker, body: bytes, media: int, number: int) -> None:
        """As `Outbox.chunk`."""
        self._say(speaker, Event(Kind.CHUNK, Payload(body, media)))
        self._credit(speaker.job, len(body))

    def end(self, speaker: Speaker, kind: int, body: bytes, media: int, number: int) -> None:
        """As `Outbox.end`."""
        if not speaker.ended:
            self._say(speaker, bodies.event_of(kind, body, media))
            speaker.ended = True

    def chatter(self, speaker: Speaker, event: Event) -> None:
        """As `Outbox.chatter`."""
        self._say(speaker, event)

    def reject(self, generation: int, job: str) -> None:
        """A job came too late to be run: nobody hears of it, and its claim runs out."""
        self.jobs.pop(job, None)

    def _say(self, speaker: Speaker, event: Event) -> None:
        job = self.jobs.get(speaker.job)
        if job is not None and not speaker.ended:
            job.say(event)


class Inline:
    """A carrier where nothing travels beside: what is too large is refused by whoever takes the result."""

    def carry(self, found: Encoded, job: str) -> Payload | Future[Payload]:
        """As `Carrier`: the payload itself."""
        return found.payload()

    def resolve(self, payload: Payload) -> Future[Payload]:
        """As `Carrier`: as it is."""
        done: Future[Payload] = Future()
        done.set_result(payload)
        return done
