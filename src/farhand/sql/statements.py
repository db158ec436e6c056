"""What may be asked: one statement that reads. And how parameters are bound: by the driver, never written into it.

This is a fence, not the wall. The wall is a database role that can't write; inside of it stand read-only transactions,
the protocol for a single statement, and for SQLite the authorizer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from farhand.sql.errors import BadParameters, QueryRefused
from farhand.sql.lexing import Token, tokens

LENGTH_LIMIT = 1024 * 1024
"""Characters of the longest statement."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a database system is asked, and how. `first` are the words that a statement may begin with, `functions` a
    pattern of those that may not be called, `placeholder` what stands in for a parameter, `arrays` whether one may be a
    list."""

    dialect: str
    first: frozenset[str]
    functions: re.Pattern[str]
    placeholder: str
    arrays: bool = False


class Statement(msgspec.Struct, frozen=True):
    """A statement as it goes to the driver; `values` is None where nothing is bound."""

    text: str
    values: tuple[Any, ...] | None


_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_LOCKS = (("FOR", "UPDATE"), ("FOR", "SHARE"), ("FOR", "NO"), ("FOR", "KEY"), ("IN", "SHARE"))


def checked(query: str, params: Sequence[Any] | Mapping[str, Any] | None, rules: Rules) -> Statement:
    """The statement, if it is one that reads, with its parameters: values by name for ``:name``, or in their order for
    ``?``.

    Raises:
        QueryRefused: it is more than one, or may do something else.
        BadParameters: the parameters don't fit it.
    """
    if len(query) > LENGTH_LIMIT:
        raise QueryRefused(f"the statement has {len(query):,} characters, more than {LENGTH_LIMIT:,}")
    found = tokens(query, rules.dialect)
    end = len(query)
    while found and found[-1].text == ";":
        end = found.pop().start
    if not found:
        raise QueryRefused("the statement is empty")
    if any(one.text == ";" and one.kind == "mark" for one in found):
        raise QueryRefused("one statement at a time: there is more after a ;")
    _check_verbs(found, rules)
    _check_functions(found, rules)
    return _bound(query[:end], found, params, rules)


def _check_verbs(found: Sequence[Token], rules: Rules) -> None:
    first = next((one for one in found if one.text != "("), found[0])
    if first.upper not in rules.first:
        allowed = ", ".join(sorted(rules.first))
        raise QueryRefused(f"a statement that begins with {first.text[:40]} isn't taken: it may be {allowed}")
    for at, one in enumerate(found):
        word, following = one.upper, found[at + 1] if at + 1 < len(found) else None
        if word == "INTO":
            raise QueryRefused("INTO writes, and only reading is allowed; quote it where it is a name")
        if following is None:
            continue
        if (word, following.upper) in _LOCKS and (word == "FOR" or found[at - 1].upper == "LOCK"):
            raise QueryRefused(f"{word} {following.upper} locks rows, and only reading is allowed")
        if word == "NEXT" and following.upper == "VALUE":
            raise QueryRefused("NEXT VALUE counts a sequence on, and only reading is allowed")
        if word in _WRITING and at and found[at - 1].text in "()" and following.kind in ("word", "name"):
            raise QueryRefused(f"{word} writes, and only reading is allowed; quote it where it is a name")
        if one.text == ":=" and rules.dialect == "mysql":
            raise QueryRefused("variables can't be set, and only reading is allowed")


def _check_functions(found: Sequence[Token], rules: Rules) -> None:
    for one, following in pairwise(found):
        if following.text == "(" and one.called and rules.functions.fullmatch(one.called):
            raise QueryRefused(f"the function {one.called} may not be called here")


def _bound(
    query: str, found: Sequence[Token], params: Sequence[Any] | Mapping[str, Any] | None, rules: Rules
) -> Statement:
    if not params:
        return Statement(query, None)
    if isinstance(params, Mapping):
        places = _named(found, params)
    else:
        places = [(one.start, one.end) for one in found if one.text == "?" and one.kind == "mark"]
        if len(places) != len(params):
            raise BadParameters(f"the statement has {len(places)} places (?) for {len(params)} parameters")
    values: list[Any] = []
    text, at = "", 0
    for number, (start, end) in enumerate(places):
        key = query[start + 1 : end]
        value = params[key] if isinstance(params, Mapping) else params[number]
        values.append(_checked_value(key or str(number + 1), value, rules))
        text += _plain(query[at:start], rules) + rules.placeholder
        at = end
    return Statement(text + _plain(query[at:], rules), tuple(values))


def _named(found: Sequence[Token], params: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Where ``:name`` stands."""
    places, seen = [], set()
    for one, following in pairwise(found):
        if one.text == ":" and following.kind == "word" and following.start == one.end:
            if following.text not in params:
                raise BadParameters(f"there is no parameter {following.text!r} for :{following.text}")
            seen.add(following.text)
            places.append((one.start, following.end))
    if unused := [name for name in params if name not in seen]:
        raise BadParameters(f"no :{unused[0]} is in the statement for the parameter {unused[0]!r}")
    return places


def _plain(text: str, rules: Rules) -> str:
    """A part of the statement that the driver is to leave as it is."""
    return text.replace("%", "%%") if rules.placeholder == "%s" else text


def _checked_value(name: str, value: Any, rules: Rules) -> Any:
    if isinstance(value, list) and rules.arrays:
        return [_checked_value(name, one, rules) for one in value]
    if value is not None and not isinstance(value, bool | int | float | str | bytes):
        kinds = "a text, a number, true, false, null or bytes" + (", or a list of them" if rules.arrays else "")
        raise BadParameters(f"the parameter {name} is a {type(value).__name__}: it must be {kinds}")
    if isinstance(value, str) and "\0" in value:
        raise BadParameters(f"the parameter {name} has a zero character in it")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise BadParameters(f"the parameter {name} is an integer of more than 64 bits: send it as text")
    return value
