"""What a service may fetch: from which hosts, and from which folders."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from farhand.errors import InputRefused

_METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"})
"""Addresses at which clouds give out keys."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`upstreams` are hosts, or HOST:PORT, with ``*`` for any part; empty: any host. `files` are folders below which
    files may be read; empty: none. `inline` is how many bytes a reference itself may hold."""

    upstreams: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    inline: int = 768 * 1024


def addresses_of(policy: Policy, host: str, port: int) -> list[str]:
    """The addresses at which a host may be reached, looked up once: whoever connects is to use them, not the name.

    Raises:
        InputRefused: it may not be fetched from, or has no address.
    """
    name = host.lower().strip("[]")
    if policy.upstreams and not any(_named(name, port, one.lower()) for one in policy.upstreams):
        raise InputRefused(f"{name}:{port} may not be fetched from: SERVICE_UPSTREAMS doesn't name it")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputRefused(f"{name}:{port} can't be found: {error}") from None
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not _allowed(address):
            raise InputRefused(
                f"{name}:{port} may not be fetched from: {address} is a link-local or metadata address, "
                "or none that a service can have"
            )
    return sorted(dict.fromkeys(addresses), key=lambda one: ":" in one)


def _named(host: str, port: int, pattern: str) -> bool:
    return fnmatchcase(host, pattern.strip("[]")) or fnmatchcase(f"{host}:{port}", pattern)


def _allowed(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return _allowed(str(inner))
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified or str(ip) in _METADATA)


def open_file(policy: Policy, name: str) -> tuple[int, Path]:
    """A file descriptor and the real path of a file that may be read.

    Raises:
        InputRefused: it may not, or can't be read.
    """
    roots = [os.path.realpath(root) for root in policy.files]
    real = os.path.realpath(name)
    if not any(os.path.commonpath([real, root]) == root for root in roots):
        raise InputRefused(f"the file {name[:200]!r} may not be read: SERVICE_FILES names no folder it is in")
    try:
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputRefused(f"the file {name[:200]!r} can't be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode) or os.path.realpath(name) != real:
        os.close(fd)
        raise InputRefused(f"the file {name[:200]!r} may not be read: it is no plain file")
    return fd, Path(real)


def names(text: str) -> tuple[str, ...]:
    """A list as a variable has it: names between commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())
