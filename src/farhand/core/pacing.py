"""How often a durable job's log takes what people read, its progress and printed text; all else is due at once."""

from __future__ import annotations

from math import inf

from farhand.model.durable import Said
from farhand.model.event import Event, Kind
from farhand.model.limits import PACE, TEXT_LIMIT

WAITING_LIMIT = 1024 * 1024
"""Characters of text that may wait; what exceeds them is left out, and the log says how many they were."""


class Pacing:
    """What one attempt has said and its log hasn't taken.

    Chunks, the start and the end wait for nothing and keep their order. Text is gathered: one event a PACE, of at most
    TEXT_LIMIT characters, comes where the first of it was said, so that none comes after a chunk that followed it
    unless its PACE wasn't over. Of progress only the newest waits. The end takes all that waits with it, before it.
    """

    __slots__ = (
        "_left_out",
        "_parts",
        "_progress",
        "_progress_place",
        "_progress_taken",
        "_said",
        "_size",
        "_text_place",
        "_text_taken",
    )

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._parts: list[str] = []
        self._size = self._left_out = 0
        self._text_place = 0
        self._text_taken = -inf
        self._progress: Said | None = None
        self._progress_place = 0
        self._progress_taken = -inf

    def say(self, said: Said) -> None:
        """The attempt says something; call `wake_at` next. Nothing follows its end."""
        kind = said.event.kind
        if kind is Kind.CONSOLE:
            self._print(said.event.text)
        elif kind is Kind.PROGRESS:
            self._progress = said
            self._progress_place = len(self._said)
        else:
            self._said.append(said)

    def wake_at(self) -> float | None:
        """When `take` has something to give: -inf for at once, None for not before something is said."""
        if self._said:
            return -inf
        text = self._text_taken + PACE if self._has_text else inf
        progress = self._progress_taken + PACE if self._progress is not None else inf
        at = text if text < progress else progress
        return None if at == inf else at

    def take(self, now: float) -> tuple[Said, ...]:
        """What is due, in the order in which it goes into the log; it is to be written as said at `now`."""
        said, self._said = self._said, []
        if not self._has_text and self._progress is None:
            return tuple(said)
        ended = bool(said) and said[-1].event.kind.final
        text, text_place = self._take_text(now, ended), self._text_place
        progress, progress_place = self._take_progress(now, ended), self._progress_place
        self._text_place = self._progress_place = 0
        if progress_place < text_place:
            said[text_place:text_place] = text
            said[progress_place:progress_place] = progress
        else:
            said[progress_place:progress_place] = progress
            said[text_place:text_place] = text
        return tuple(said)

    @property
    def _has_text(self) -> bool:
        return bool(self._parts) or self._left_out > 0

    def _print(self, text: str) -> None:
        if not self._has_text:
            self._text_place = len(self._said)
        if self._left_out or self._size + len(text) > WAITING_LIMIT:
            self._left_out += len(text)
        else:
            self._parts.append(text)
            self._size += len(text)

    def _take_text(self, now: float, ended: bool) -> list[Said]:
        if not self._has_text or not (ended or _due(self._text_taken, now)):
            return []
        if self._left_out:
            self._parts.append(f"… [{self._left_out:,} characters not shown]\n")
            self._left_out = 0
        text, taken = "".join(self._parts), list[Said]()
        while text and (ended or not taken):
            size = _fitting(text)
            taken.append(Said(Event(Kind.CONSOLE, text=text[:size])))
            text = text[size:]
        self._parts = [text] if text else []
        self._size = len(text)
        self._text_taken = now
        return taken

    def _take_progress(self, now: float, ended: bool) -> list[Said]:
        progress = self._progress
        if progress is None or not (ended or _due(self._progress_taken, now)):
            return []
        self._progress = None
        self._progress_taken = now
        return [progress]


def _due(taken: float, now: float) -> bool:
    """Whether a PACE is over; a clock that was set back says nothing."""
    return now >= taken + PACE or now < taken


def _fitting(text: str) -> int:
    """How much of it one event takes: whole lines, if it has any."""
    return len(text) if len(text) <= TEXT_LIMIT else (text.rfind("\n", 0, TEXT_LIMIT) + 1 or TEXT_LIMIT)
