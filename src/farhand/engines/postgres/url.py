"""What a store's URL says: the server, for the driver, and what is the store's own."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from farhand.errors import InvalidArguments
from farhand.model.urls import shown

SCHEMA = "farhand"
SWITCH = {"on": True, "off": False}


class Address(NamedTuple):
    """`dsn` is what the driver gets. `notify`: whether hubs tell each other what they do."""

    dsn: str
    schema: str
    notify: bool


def read(url: str) -> Address:
    """Take out of a URL what is the store's own.

    Raises:
        InvalidArguments: it can't be read, or says something that can't be.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:  # its text can hold a piece of the password
        text = f"{shown(url)!r} is no URL of a PostgreSQL store: write special characters as %XX"
        raise InvalidArguments(text) from None
    own = {name: value for name, value in given if name in ("schema", "notify")}
    switch = own.get("notify", "on")
    if switch not in SWITCH:
        raise InvalidArguments(f"notify={switch[:40]} in {shown(url)!r} can't be: it is on or off")
    rest = urlencode([(name, value) for name, value in given if name not in own])
    return Address(urlunsplit(parts._replace(query=rest)), own.get("schema", SCHEMA), SWITCH[switch])
