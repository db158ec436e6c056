"""Where large payloads are kept: ``file:///FOLDER`` is an absolute folder, ``file:FOLDER`` one in the current folder,
``s3://BUCKET/PREFIX`` a bucket, and ``memory:`` the hub's own memory."""

from __future__ import annotations

from urllib.parse import quote, unquote

from farhand.errors import InvalidArguments
from farhand.model.urls import shown


def beside(store: str) -> str:
    """Where a hub with this store keeps large payloads if nothing else is said: in a folder beside SQLite's file, for
    others ``farhand.blobs`` in the current folder, and for ``memory:`` in memory."""
    scheme, _, rest = store.partition(":")
    if scheme == "memory":
        return "memory:"
    return f"file:{quote(f'{rest[3:]}.blobs')}" if scheme == "sqlite" else "file:farhand.blobs"


def folder_of(url: str) -> str:
    """The folder that a ``file:`` URL names.

    Raises:
        InvalidArguments: it names none.
    """
    scheme, _, rest = url.partition(":")
    path = unquote(rest.removeprefix("//"))
    if scheme != "file" or (rest.startswith("//") and not path.startswith("/")) or path.strip("/") in ("", "."):
        raise InvalidArguments(
            f"{shown(url)!r} names no place for large payloads: use file:///FOLDER, s3://BUCKET/PREFIX for several "
            "hubs, or memory: for what may be forgotten"
        )
    return path
