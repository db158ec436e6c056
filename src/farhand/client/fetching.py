"""One ref, fetched."""

from __future__ import annotations

from typing import Any

from farhand.client.sync import Client
from farhand.model.ref import Ref


def fetch(
    ref: Ref,
    *,
    hub: str = "localhost:50051",
    api_key: str | None = None,
    returns: Any = None,
    timeout: float | None = None,
) -> Any:
    """What a ref stands for, from the hub at `hub` (HOST:PORT), as `Client.fetch`, over a connection of its own. The
    address in the ref is never dialled: it may come from anybody.

    Raises:
        RefNotFound, RefExpired, PermissionDenied: it is not to be had.
        DataDamaged: it arrived altered.
        DeadlineExceeded: `timeout` seconds have passed.
        Unavailable: there is no hub, or whoever holds it isn't there.
    """
    with Client(hub, api_key=api_key) as client:
        return client.fetch(ref, returns=returns, timeout=timeout)
