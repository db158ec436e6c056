"""What a task of a service says as its job's own result: where its data lies, or what it answers instead."""

from __future__ import annotations

from typing import Any

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.payload import Payload
from farhand.model.spooled import Content, Spooled
from farhand.wire.values import from_payload

MEDIA: dict[Content, str] = {
    "message": "application/x-protobuf",
    "messages": "application/x-protobuf; delimited=true",
    "json": "application/json",
    "lines": "application/x-ndjson",
    "bytes": "application/octet-stream",
}
FORMATS: dict[Content, str] = {
    "message": "protobuf",
    "messages": "protobuf",
    "json": "json",
    "lines": "json",
    "bytes": "binary",
}


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`spooled` is the data; `output`, where it is given, the reference as the handler wants it told."""

    spooled: Spooled | None = None
    output: dict[str, Any] | None = None


def read_result(payload: Payload) -> Result:
    """The result of a job that was run by a service.

    Raises:
        InvalidArguments: it isn't one.
    """
    try:
        return msgspec.convert(from_payload(payload), Result)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArguments(f"a job's result is none of a service's: {error}") from None
