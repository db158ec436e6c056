"""What a URL of an S3 store says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.urls import shown

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"(?!\.{1,2}(?:/|$))[A-Za-z0-9!_.*'()=-]{1,200}")
CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")
KNOWN = ("endpoint", "region", "virtual_hosted", *CREDENTIALS)
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""The variables that name another server than Amazon's, the first that is set."""


class Place(msgspec.Struct, frozen=True):
    """A bucket, the prefix of all keys in it ("" for none), the server ("" for Amazon's), and what else the URL says,
    credentials among it: never show it, show `shown`."""

    bucket: str
    prefix: str
    endpoint: str
    given: Mapping[str, str]

    @property
    def shown(self) -> str:
        """As it may be told to anybody."""
        path = f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket
        return f"s3://{path}" + (f" at {self.endpoint}" if self.endpoint else "")


def place_of(url: str, environment: Mapping[str, str] | None = None) -> Place:
    """Where ``s3://BUCKET/PREFIX?endpoint=URL&region=NAME`` is. ``access_key_id``, ``secret_access_key`` and
    ``session_token`` may be in it too; what isn't comes from the usual ``AWS_…`` variables, or the machine's role.
    ``virtual_hosted=on`` puts the bucket in the host's name.

    Raises:
        InvalidArguments: it names none.
    """

    def refused(why: str) -> InvalidArguments:
        return InvalidArguments(f"{shown(url)!r} can't be a store of blobs: {why}")

    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise refused("write special characters as %XX") from None
    given = dict(pairs)
    if parts.scheme != "s3" or parts.fragment or "@" in parts.netloc:
        raise refused("it must be s3://BUCKET/PREFIX, with what else is to be said behind a ?")
    if not _BUCKET.fullmatch(parts.netloc):
        raise refused("a bucket's name has 3 to 63 of a to z, 0 to 9, . and -")
    prefix = unquote(parts.path).strip("/")
    if prefix and not all(_SEGMENT.fullmatch(one) for one in prefix.split("/")):
        raise refused("its prefix may have letters, digits and !_.*'()=- between single slashes")
    for name in given:
        if name not in KNOWN:
            raise refused(f"{name[:40]!r} says nothing to it; known: {', '.join(KNOWN)}")
    if len(pairs) != len(given):
        raise refused("something is said twice")
    variables = os.environ if environment is None else environment
    endpoint = given.pop("endpoint", "") or next((variables[one] for one in ENDPOINTS if variables.get(one)), "")
    if endpoint and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._/-]*)?", endpoint):
        raise refused("its endpoint must be http://HOST:PORT or https://HOST")
    if given.get("virtual_hosted", "off") not in ("on", "off"):
        raise refused("virtual_hosted is on or off")
    return Place(parts.netloc, prefix, endpoint.rstrip("/"), given)
