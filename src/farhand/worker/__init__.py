"""Runs handlers. What handlers are (`app`, `signature`), what they see (`context`), how they run (`executor`), and how
a worker is reached (`links/`, a file a way). Nothing here knows the hub's inside or a concrete runner."""

from __future__ import annotations

from farhand.wire.codecs.files import File
from farhand.worker.app import App
from farhand.worker.context import Context

__all__ = ["App", "Context", "File"]
