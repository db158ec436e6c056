"""Addresses that a worker may advertise: one plain spelling of each, so that equal texts are equal addresses."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from farhand.errors import InvalidArguments

_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOST_LIMIT = 253


def check_address(address: str) -> str:
    """`address`, if it is a plain ``HOST:PORT``: the host a name in lower-case ASCII, an IPv4 address of four decimal
    numbers, or an IPv6 address in brackets, each as its standard writes it.

    Raises:
        InvalidArguments: it is anything else, or an address at which no one machine answers (wildcard, multicast,
            broadcast) or only one without a network (link-local).
    """
    host, _, port = address.rpartition(":")
    if not (_PORT.fullmatch(port) and int(port) <= 65_535 and _is_host(host)):
        shown = repr(address if len(address) <= 60 else address[:60] + "…")
        raise InvalidArguments(
            f"{shown} is no address of a data port: it must be HOST:PORT with a name in lower case, an IPv4 address as "
            "in 10.0.0.7, or an IPv6 address as in [fd00::7]",
            problems=[{"path": "address", "message": "not a plain HOST:PORT"}],
        )
    return address


def _is_host(host: str) -> bool:
    try:
        if host.startswith("[") and host.endswith("]"):
            six = IPv6Address(host[1:-1])
            return f"[{six}]" == host and six.scope_id is None and not six.ipv4_mapped and _names_a_machine(six)
        if _NUMBER.fullmatch(host.rpartition(".")[2]):  # how browsers tell an IPv4 address from a name
            return _names_a_machine(IPv4Address(host))
    except AddressValueError:
        return False
    return len(host) <= HOST_LIMIT and _NAME.fullmatch(host) is not None


def _names_a_machine(ip: IPv4Address | IPv6Address) -> bool:
    odd = ip.is_unspecified or ip.is_multicast or ip.is_link_local or (ip.is_reserved and ip.version == 4)
    return not odd and not (ip.version == 4 and int(ip) >> 24 == 0)
