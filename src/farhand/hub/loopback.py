"""Where a hub may listen: on this machine's own addresses only, as nothing here asks callers who they are yet."""

from __future__ import annotations

import ipaddress

from farhand.errors import PermissionDenied


def is_loopback(host: str) -> bool:
    """Whether a host, as a name or an address, is this machine's own."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return bare.lower() == "localhost" or ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def check_loopback(address: str) -> tuple[str, int]:
    """The host and port of ``HOST:PORT``, if the host is this machine's own.

    Raises:
        PermissionDenied: it is reachable from elsewhere, and nothing here asks callers who they are yet.
        ValueError: it isn't an address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT, e.g. 127.0.0.1:50051")
    if not is_loopback(host):
        raise PermissionDenied(
            f"the hub listens on loopback only (127.0.0.1, ::1, localhost), not on {host}: there are no API keys yet, "
            "so anyone who reached it could run your handlers. To reach it from elsewhere, use an SSH tunnel"
        )
    return host, int(port)


def check_reach(host: str, key: str) -> None:
    """See that whoever reaches a service on `host` is asked for a `key`, unless that is this machine alone.

    Raises:
        PermissionDenied: others could reach it, and it asks for no key.
    """
    if not key and not is_loopback(host):
        raise PermissionDenied(
            f"a service that others reach, on {host}, needs SERVICE_API_KEY: without one, anyone who reached it could "
            "run your handlers. Set it, or listen on 127.0.0.1"
        )
