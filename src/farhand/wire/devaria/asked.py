"""What submitters and runners send, read and measured. A body that is wrong is told by the name of its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from farhand.core.caching import args_digest
from farhand.errors import InvalidArguments
from farhand.model.event import Progress
from farhand.model.limits import NAME_LIMIT
from farhand.model.names import check_name
from farhand.model.payload import Media, Payload

PARAMS_LIMIT = 100 * 1024
OUTPUT_LIMIT = 500 * 1024
CONSOLE_LIMIT = 1024 * 1024
ERROR_LIMIT = 10 * 1024
"""Bytes, as JSON without spaces or as text."""
BATCH_LIMIT = 1_000
"""Jobs that one request may delete."""
CAPABILITIES_LIMIT = 1_000
IDENTITY = "devaria:"
"""Before the digest, where it is a job's cache key."""
FIGPACK = "figpack_url"
NO_REGISTRATION = "Invalid registration data"

_JSON = int(Media.JSON)


class Asked(msgspec.Struct, frozen=True):
    """A job as a submitter asks for it. `identity` is equal for equal work."""

    job_type: str
    params: Payload
    identity: str
    retry: bool = False


class Registration(msgspec.Struct, frozen=True):
    """How a runner introduces itself."""

    name: str
    capabilities: tuple[str, ...]


class Beat(msgspec.Struct, frozen=True):
    """What a runner says on the way."""

    console: str
    progress: Progress | None


class Completed(msgspec.Struct, frozen=True):
    """What a runner says at the end."""

    output: Payload
    console: str


class Broken(msgspec.Struct, frozen=True):
    """What a runner says of a failure."""

    message: str
    console: str


def read_job(body: bytes) -> Asked:
    """A job that is checked or submitted.

    Raises:
        InvalidArguments: a field is missing, wrong or too large; the message names it.
    """
    fields = _object(body)
    job_type = _text(fields, "job_type")
    check_name("job_type", job_type)
    params = _field(fields, "input_params", dict, "an object")
    data = _encoded(params, "input_params")
    _measure(len(data), PARAMS_LIMIT, "Input parameters exceed")
    retry = fields.get("retry", False)
    if not isinstance(retry, bool):
        raise InvalidArguments("Invalid field: retry must be true or false")
    return Asked(job_type, Payload(data, _JSON), identity(job_type, params), retry)


def identity(job_type: str, params: Any) -> str:
    """What is equal for equal work: the digest of type and parameters as canonical JSON.

    Raises:
        InvalidArguments: they have no such form.
    """
    try:
        return IDENTITY + args_digest({"type": job_type, "params": params}).hex()
    except (TypeError, ValueError, RecursionError, OverflowError):
        raise InvalidArguments("Invalid field: input_params can't be written as canonical JSON") from None


def read_registration(body: bytes) -> Registration:
    """A runner's introduction.

    Raises:
        InvalidArguments: it is none.
    """
    try:
        fields = _object(body)
        name, given = fields["name"], fields["capabilities"]
        whole = isinstance(name, str) and 0 < len(name) <= NAME_LIMIT and isinstance(given, list)
        if not whole or len(given) > CAPABILITIES_LIMIT or not all(isinstance(one, str) for one in given):
            raise InvalidArguments(NO_REGISTRATION)
        return Registration(name, tuple(check_name("capability", one) for one in given))
    except (InvalidArguments, KeyError):
        raise InvalidArguments(NO_REGISTRATION) from None


def read_beat(body: bytes) -> Beat:
    """A heartbeat.

    Raises:
        InvalidArguments: as `read_job`.
    """
    fields = _object(body)
    current, total = _number(fields, "progress_current"), _number(fields, "progress_total")
    return Beat(_console(fields), None if current is None else Progress(current, total))


def read_completed(body: bytes) -> Completed:
    """A result.

    Raises:
        InvalidArguments: as `read_job`.
    """
    fields = _object(body)
    data = _encoded(_field(fields, "output_data", dict, "an object"), "output_data")
    _measure(len(data), OUTPUT_LIMIT, "Output data exceeds")
    return Completed(Payload(data, _JSON), _console(fields))


def read_broken(body: bytes) -> Broken:
    """A failure.

    Raises:
        InvalidArguments: as `read_job`.
    """
    fields = _object(body)
    message = _text(fields, "error_message")
    _measure(_size(message), ERROR_LIMIT, "Error message exceeds")
    return Broken(message, _console(fields))


def read_batch(body: bytes) -> tuple[str, ...]:
    """The jobs that are to be deleted.

    Raises:
        InvalidArguments: as `read_job`.
    """
    found = _field(_object(body), "job_ids", list, "a list")
    if len(found) > BATCH_LIMIT or not all(isinstance(one, str) for one in found):
        raise InvalidArguments(f"Invalid field: job_ids is a list of at most {BATCH_LIMIT} texts")
    return tuple(found)


def pages_in(value: Any) -> Iterator[str]:
    """The addresses of figpack pages in a result, at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            if isinstance(url := one.get(FIGPACK), str):
                yield url


def _object(body: bytes) -> dict[str, Any]:
    try:
        body.decode()
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InvalidArguments("Invalid JSON in request body") from None
    if not isinstance(found, dict):
        raise InvalidArguments("Invalid request body: an object is needed")
    return found


def _field(fields: dict[str, Any], name: str, kind: type, what: str) -> Any:
    found = fields.get(name)
    if found is None:
        raise InvalidArguments(f"Missing required field: {name}")
    if not isinstance(found, kind):
        raise InvalidArguments(f"Invalid field: {name} must be {what}")
    return found


def _text(fields: dict[str, Any], name: str) -> str:
    found = _field(fields, name, str, "a text")
    if not found:
        raise InvalidArguments(f"Missing required field: {name}")
    return str(found)


def _console(fields: dict[str, Any]) -> str:
    text = str(_field(fields, "console_output", str, "a text"))
    _measure(_size(text), CONSOLE_LIMIT, "Console output exceeds")
    return text


def _number(fields: dict[str, Any], name: str) -> float | None:
    if name not in fields:
        raise InvalidArguments(f"Missing required field: {name}")
    found = fields[name]
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise InvalidArguments(f"Invalid field: {name} must be a number or null")
    try:
        return float(found)
    except OverflowError:
        raise InvalidArguments(f"Invalid field: {name} is too large a number") from None


def _encoded(value: Any, name: str) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (RecursionError, ValueError, OverflowError):
        raise InvalidArguments(f"Invalid field: {name} is nested too deeply, or holds what JSON can't say") from None


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _measure(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise InvalidArguments(f"{what} size limit of {limit} bytes")
