"""Rows, as agents answer them and as `sql.query` streams them.

An agent answers one JSON list of row objects. `sql.query` streams chunks: ``{"columns": [{"name", "type", "size"}]}``,
then ``{"rows": [[…], …]}`` as often as need be, and results in ``{"rows": N, "truncated": bool}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from farhand.errors import HandlerFailed, InvalidArguments, OutcomeUnknown, TooLarge
from farhand.model.handler import HandlerSpec
from farhand.model.payload import Media, Payload
from farhand.wire.agnt.messages import HANDLER, LARGEST, Answer
from farhand.wire.plain import value_of

CHUNK_ROWS = 1_000
CHUNK_SIZE = 48 * 1024
"""Characters of JSON after which a chunk is closed, so that it goes into a frame."""
NAMES_LIMIT = 10_000
"""Columns of one result."""

_ANY_JSON = (int(Media.JSON), int(Media.OPEN_JSON))


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `sql.query` at a foreign agent, which has no bound parameters."""

    database: str
    query: str = ""
    tbl_name: str = ""
    params: list[Any] | dict[str, Any] | None = None
    max_rows: int | None = None
    chunk_rows: int = CHUNK_ROWS


def read_query(args: Mapping[str, Any]) -> Query:
    """What is asked of a foreign agent.

    Raises:
        InvalidArguments: an argument is missing, unknown or of the wrong type, or an agent can't do that.
    """
    try:
        query = msgspec.convert(args, Query)
    except msgspec.ValidationError as error:
        raise InvalidArguments(f"{HANDLER}: {error}", problems=[{"path": "$", "message": str(error)}]) from None
    if query.params:
        raise _wrong("params", "agents of the agnt protocol take no parameters: write the values into the query")
    if not query.query and not query.tbl_name:
        raise _wrong("query", "it is empty")
    for name, given in (("max_rows", query.max_rows), ("chunk_rows", query.chunk_rows)):
        if given is not None and not 1 <= given <= LARGEST:
            raise _wrong(name, f"1 to {LARGEST:,} are possible, not {given}")
    return query


def _wrong(path: str, text: str) -> InvalidArguments:
    return InvalidArguments(f"{HANDLER}: {path}: {text}", problems=[{"path": path, "message": text}])


def spec() -> HandlerSpec:
    """`sql.query` as a foreign agent serves it."""
    properties: dict[str, Any] = {
        "database": {"type": "string", "description": "one that the agent knows"},
        "query": {"type": "string", "default": ""},
        "tbl_name": {"type": "string", "default": "", "description": "passed on to the agent"},
        "params": {"type": "null", "default": None, "description": "agents take none"},
        "max_rows": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": None},
        "chunk_rows": {"type": "integer", "minimum": 1, "default": CHUNK_ROWS},
    }
    takes = {"type": "object", "properties": properties, "required": ["database"], "additionalProperties": False}
    return HandlerSpec(
        name=HANDLER,
        doc="Run a query beside a database; rows come in chunks, after one that names the columns.",
        parameters=msgspec.json.encode(takes),
        result=msgspec.json.encode({"type": "object"}),
        streams=True,
    )


# -- an agent's answer, as chunks ------------------------------------------------------------------------------------


class Chunks:
    """The chunks of an agent's answer, made one after the other; `result` is what ends them. Rows are read as the
    next chunk is wanted, so that a large answer holds up nobody.

    Raises, at any step:
        HandlerFailed: the answer is no list of row objects.
    """

    def __init__(self, answer: Answer, query: Query) -> None:
        self._text = answer.json
        self._columns = answer.columns
        self._most = query.max_rows or LARGEST
        self._chunk_rows = query.chunk_rows
        self._count = 0
        self._truncated = False

    @property
    def result(self) -> dict[str, Any]:
        """How many rows there were, and whether there are more."""
        return {"rows": self._count, "truncated": self._truncated}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rows = _rows(self._text)
        first = next(rows, None)
        columns = _columns(self._columns, {} if first is None else first[0])
        yield {"columns": columns}
        names = [column["name"] for column in columns]
        found: list[list[Any]] = []
        begun, end = 0, 0
        while first is not None:
            row, end = first
            if self._count >= self._most:
                self._truncated = True
                break
            found.append([row.get(name) for name in names])
            self._count += 1
            if len(found) >= self._chunk_rows or end - begun >= CHUNK_SIZE:
                yield {"rows": found}
                found, begun = [], end
            first = next(rows, None)
        if found:
            yield {"rows": found}


def _rows(text: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Each row, with the place behind it."""
    at = _skip(text, 0)
    if text[at : at + 4] == "null" or at == len(text):
        at += 4
    elif text[at] != "[":
        raise _unreadable("it is no list")
    else:
        at = _skip(text, at + 1)
        while text[at : at + 1] != "]":
            try:
                row, at = _SCAN(text, at)
            except (ValueError, RecursionError) as error:
                raise _unreadable(str(error)) from None
            if not isinstance(row, dict):
                raise _unreadable(f"a row is no object, but {type(row).__name__}")
            yield row, at
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
                if text[at : at + 1] != "]":
                    continue
                raise _unreadable("a row is missing")
            if text[at : at + 1] != "]":
                raise _unreadable(f"it is cut off after {at:,} characters")
        at += 1
    if _skip(text, at) < len(text):
        raise _unreadable("something follows the list")


_SCAN = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _unreadable(why: str) -> HandlerFailed:
    return HandlerFailed(f"the agent's answer isn't a JSON list of row objects: {why}", type="BadAnswer")


def _columns(text: str, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns that an agent tells of, and those that its first row has beside them."""
    try:
        told = json.loads(text) if text else None
    except (ValueError, RecursionError):
        told = None
    columns: dict[str, dict[str, Any]] = {}
    for one in told if isinstance(told, list) else []:
        name = one.get("Column Name") if isinstance(one, dict) else None
        if isinstance(name, str):
            kind, sized = one.get("Data Type"), one.get("Data Type With Size")
            columns[name] = {"name": name, "type": kind if isinstance(kind, str) else "", "size": _size(sized)}
    for name in row:
        columns.setdefault(name, {"name": name, "type": "", "size": None})
    if len(columns) > NAMES_LIMIT:
        raise _unreadable(f"it has {len(columns):,} columns")
    return list(columns.values())


_SIZE = re.compile(r"\(\s*(\d{1,10})\s*[,)]")


def _size(sized: Any) -> int | None:
    found = _SIZE.search(sized) if isinstance(sized, str) else None
    return int(found[1]) if found is not None else None


# -- chunks, as an answer to SendCommand -----------------------------------------------------------------------------


class Assembly:
    """The answer to SendCommand, made of the chunks of a farhand worker. `size` is how many bytes it takes so far."""

    def __init__(self, most: int = LARGEST) -> None:
        self._most = most
        self._names: list[str] = []
        self._meta = b"null"
        self._pieces: list[bytes] = []
        self.size = 64

    def add(self, payload: Payload) -> None:
        """The next chunk.

        Raises:
            TooLarge: the answer takes more than one message holds.
            OutcomeUnknown: the chunk is none of `sql.query`.
        """
        if payload.media == Media.REF:
            raise too_large(self._most)
        chunk = _read(payload)
        if "columns" in chunk:
            self._take_columns(chunk["columns"])
        rows = chunk.get("rows")
        if rows:
            self._append(self._objects(rows))

    def answer(self, result: Payload) -> bytes:
        """The whole, as a CommandResponse.

        Raises:
            TooLarge, OutcomeUnknown: as `add`.
        """
        told = _read(result) if result.media != Media.NONE and result.data else {}
        rows = told.get("rows")
        text = f"these are the first {rows:,} rows: there are more" if told.get("truncated") and rows else ""
        body = sum(map(len, self._pieces)) + max(0, len(self._pieces) - 1) + 2
        parts = [_tag(1, body), b"[", b",".join(self._pieces), b"]"]
        self._pieces = []
        if text:
            parts += [_tag(2, len(text)), text.encode()]
        parts += [_tag(3, len(self._meta)), self._meta]
        if sum(map(len, parts)) > self._most:
            raise too_large(self._most)
        return b"".join(parts)

    def _take_columns(self, columns: Any) -> None:
        try:
            told = msgspec.convert(columns, list[_Column])
        except msgspec.ValidationError as error:
            raise _strange(error) from None
        self._names = _unlike([column.name for column in told])
        meta = [
            {
                "Column Name": name,
                "Data Type": one.type or "",
                "Data Type With Size": f"{one.type or ''}({one.size})" if one.size is not None else one.type or "",
            }
            for name, one in zip(self._names, told, strict=True)
        ]
        self._meta = _encode(meta)
        self._take(len(self._meta))

    def _objects(self, rows: Any) -> bytes:
        names = self._names
        try:
            return _encode([dict(zip(names, row, strict=True)) for row in rows])[1:-1]
        except (TypeError, ValueError) as error:
            raise _strange(error) from None

    def _append(self, piece: bytes) -> None:
        self._take(len(piece) + 1)
        self._pieces.append(piece)

    def _take(self, size: int) -> None:
        self.size += size
        if self.size > self._most:
            raise too_large(self._most)


class _Column(msgspec.Struct):
    name: str
    type: str | None = None
    size: int | None = None


class _Rows(msgspec.Struct):
    """A chunk whose values are passed on as they are."""

    rows: list[list[msgspec.Raw]]


_READ_ROWS = msgspec.json.Decoder(_Rows).decode
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_encode = _ENCODER.encode


def too_large(most: int = LARGEST) -> TooLarge:
    """What is said where one message can't hold an answer."""
    return TooLarge(
        f"the answer takes more than {most:,} bytes, which is all that one message holds: stream {HANDLER}, with the "
        "client's stream(), `farhand stream` or `farhand sql`, or ask for fewer rows",
        limit=most,
    )


def _read(payload: Payload) -> dict[str, Any]:
    if payload.media in _ANY_JSON and payload.data.startswith(b'{"rows":['):
        try:
            payload.data.decode()
            return {"rows": _READ_ROWS(payload.data).rows}
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise _strange(error) from None
    value = value_of(payload)
    if not isinstance(value, dict):
        raise _strange(f"it is {type(value).__name__}")
    return value


def _unlike(names: Sequence[str]) -> list[str]:
    """The names with a number behind those that were there before: a row object has each once."""
    found: dict[str, None] = {}
    for name in names:
        unlike, number = name, 2
        while unlike in found:
            unlike, number = f"{name}_{number}", number + 1
        found[unlike] = None
    return list(found)


def _tag(field: int, size: int) -> bytes:
    """The begin of a text of so many bytes in a message."""
    head = bytearray((field << 3 | 2,))
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head)


def _strange(why: object) -> OutcomeUnknown:
    return OutcomeUnknown(f"the worker answered no rows of {HANDLER}: {str(why)[:200]}")
