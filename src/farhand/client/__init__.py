"""Asks. The async client is the source; the sync one is a portal over it.

Nothing here knows workers or the hub's inside."""

from __future__ import annotations

from farhand.client.aio import AsyncClient
from farhand.client.fetching import fetch
from farhand.client.sync import Client
from farhand.model.ref import Ref
from farhand.wire.codecs.files import File

__all__ = ["AsyncClient", "Client", "File", "Ref", "fetch"]
