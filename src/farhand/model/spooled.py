"""A result that is kept beside the hub, and the name by which it is found."""

from __future__ import annotations

from typing import Literal

import msgspec

Content = Literal["message", "messages", "json", "lines", "bytes"]
"""What the bytes are: one protobuf message; many, each after its length as a varint; one JSON value; one a line; or
bytes that mean what their reader knows."""


class Spooled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`name` is the spool's own. `size` is in bytes, `sha256` of all of them, in hex. `type` is the full name of the
    protobuf message or messages."""

    name: str
    size: int
    sha256: str
    content: Content
    type: str = ""
