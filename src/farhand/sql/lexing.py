"""Cuts a statement into tokens as the database will, so that words in texts and comments are told from words that act.

Where two readings are possible the statement is refused: nothing is asked that this room and the database may read
differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from farhand.sql.errors import QueryRefused


class Token(msgspec.Struct, frozen=True):
    """`kind` is "word", "name" (a quoted identifier), "text", "escaped" (PostgreSQL's E'…'), "number", "comment" or
    "mark". `text` is as written, from `start` to `end` of the statement."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """A word in capitals; empty for anything else."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def called(self) -> str:
        """What a function of this name is called, in small letters; empty for what can't name one."""
        if self.kind == "name":
            return self.text[1:-1].replace(self.text[-1] * 2, self.text[-1]).lower()
        return self.text.lower() if self.kind == "word" else ""


_SPACE = r"(?P<space>[ \t\n\r\f\v]+)"
# Every character beyond ASCII may stand in a name, for all three: what Python calls a space there is none for them.
_WORD = r"(?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)"
# Letters that may be the next word are left to it: PostgreSQL before 15 reads 1INTO as two tokens.
_NUMBER = r"(?P<number>[0-9](?:[0-9_.]|[eE][+-]?[0-9]|[xXoObB][0-9a-fA-F])*)"
_MARK = r"(?P<mark>::|:=|.)"
_QUOTED = r"(?P<text>'(?:[^']|'')*')"

_POSTGRESQL = (
    _SPACE,
    r"(?P<comment>--[^\r\n]*)",
    r"(?P<nested>/\*)",
    r"(?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')",
    r"(?P<refused>[uU]&\")",
    _QUOTED,
    r"(?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)",
    r"(?P<name>\"(?:[^\"]|\"\")+\")",
    _WORD,
    _NUMBER,
    _MARK,
)
_MYSQL = (
    _SPACE,
    r"(?P<comment>--(?=[\x00-\x20]|\Z)[^\n]*|#[^\n]*|/\*(?!!|M!).*?\*/)",
    r"(?P<refused>/\*)",
    r"(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")",
    r"(?P<name>`(?:[^`]|``)+`)",
    _WORD,
    _NUMBER,
    _MARK,
)
_SQLITE = (
    _SPACE,
    r"(?P<comment>--[^\n]*|/\*.*?\*/)",
    r"(?P<refused>/\*)",
    _QUOTED,
    r"(?P<name>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\])",
    _WORD,
    _NUMBER,
    _MARK,
)
_PATTERNS = {
    name: re.compile("|".join(parts), re.DOTALL)
    for name, parts in (("postgresql", _POSTGRESQL), ("mysql", _MYSQL), ("sqlite", _SQLITE))
}
_NEST = re.compile(r"/\*|\*/")


def tokens(statement: str, dialect: str) -> list[Token]:
    """The tokens of a statement, without comments and space between them. `dialect` is "postgresql", "mysql" or
    "sqlite".

    Raises:
        QueryRefused: something in it doesn't end, or could be read in two ways.
    """
    if "\0" in statement:
        raise QueryRefused("a statement has no zero character in it")
    found = [one for one in _cut(statement, _PATTERNS[dialect]) if one.kind != "comment"]
    for one, following in pairwise(found):
        if one.kind == "escaped" and following.kind in ("text", "escaped"):
            raise QueryRefused("write E'…' as one text: parts of it on several lines are not taken")
    return found


def _cut(statement: str, pattern: re.Pattern[str]) -> Iterator[Token]:
    at = 0
    while at < len(statement):
        match = pattern.match(statement, at)
        assert match is not None  # a mark is any character
        kind, end = match.lastgroup or "", match.end()
        if kind == "nested":
            kind, end = "comment", _end_of_nested(statement, at)
        elif kind == "dollar":
            kind, end = "text", _end_of_dollar(statement, match)
        elif kind == "refused":
            raise QueryRefused(f"{match[0]} can't be used here: leave it out")
        elif kind == "mark" and match[0] in "'\"`[" and not _is_slice(match[0], pattern):
            raise QueryRefused(f"a {match[0]} in the statement isn't closed")
        if kind != "space":
            yield Token(kind, statement[at:end], at, end)
        at = end


def _is_slice(mark: str, pattern: re.Pattern[str]) -> bool:
    """Whether a bracket is an array's, as it is but in SQLite."""
    return mark == "[" and pattern is not _PATTERNS["sqlite"]


def _end_of_nested(statement: str, at: int) -> int:
    depth = 0
    for match in _NEST.finditer(statement, at):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    raise QueryRefused("a comment in the statement isn't closed")


def _end_of_dollar(statement: str, opening: re.Match[str]) -> int:
    end = statement.find(opening[0], opening.end())
    if end < 0:
        raise QueryRefused(f"a text that {opening[0]} opens isn't closed")
    return end + len(opening[0])
