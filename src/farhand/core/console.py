"""Console text that is told anew each time, whole: which part of it is new, and how a log gives the last of it back.

A log has each part once. Where a text doesn't go on as the one before did, it goes in whole, behind a form feed, as on
a new page; so the text that was told last is what follows the last form feed.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

NEW_PAGE = "\f"


class Heard(msgspec.Struct, frozen=True):
    """What is remembered of the text that was told last: how long it was, and its digest."""

    length: int
    digest: bytes


def heard(text: str) -> Heard:
    """What is to be remembered of a text."""
    return Heard(len(text), blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())


NOTHING = heard("")


def news(before: Heard, text: str) -> tuple[str, Heard]:
    """What goes into the log for a text that was told after another one, and what is to be remembered of it. A form
    feed in it becomes a line's end."""
    text = text.replace(NEW_PAGE, "\n")
    goes_on = len(text) >= before.length and heard(text[: before.length]).digest == before.digest
    return (text[before.length :] if goes_on else NEW_PAGE + text), heard(text)


def last_text(parts: Iterable[str]) -> str:
    """The text that was told last, from the parts that went into the log."""
    return "".join(parts).rpartition(NEW_PAGE)[2]


def pieces(text: str, size: int) -> list[str]:
    """A text in pieces of at most so many characters; none of an empty one."""
    return [text[at : at + size] for at in range(0, len(text), size)]
