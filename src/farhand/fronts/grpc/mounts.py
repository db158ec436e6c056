"""Other fronts on this port: what they bring, and what reflection tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import grpc
from google.protobuf import descriptor_pool


class Mount(Protocol):
    """A front that is served on the hub's gRPC port too."""

    @property
    def names(self) -> Sequence[str]:
        """Its services, by their full names."""

    @property
    def pool(self) -> Any:
        """The descriptor pool that knows its messages."""

    @property
    def receive_limit(self) -> int:
        """Bytes of the largest message that it takes. The port then takes such messages for every method, and each
        front refuses what is too large for its own."""

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """Its methods."""

    def close(self) -> None:
        """Let go of every peer: the hub has stopped."""


class Pools:
    """Several descriptor pools as one that can be looked up; the first that knows a name answers."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self._pools = (descriptor_pool.Default(), *(mount.pool for mount in mounts))

    def FindFileByName(self, name: str) -> Any:
        """The file of this name."""
        return self._first("FindFileByName", name)

    def FindFileContainingSymbol(self, name: str) -> Any:
        """The file with this service, message or other symbol."""
        return self._first("FindFileContainingSymbol", name)

    def FindMessageTypeByName(self, name: str) -> Any:
        """The message of this name."""
        return self._first("FindMessageTypeByName", name)

    def FindExtensionByNumber(self, message: Any, number: int) -> Any:
        """The extension of this number."""
        return message.file.pool.FindExtensionByNumber(message, number)

    def FindAllExtensions(self, message: Any) -> Any:
        """The extensions of a message."""
        return message.file.pool.FindAllExtensions(message)

    def _first(self, find: str, name: str) -> Any:
        for pool in self._pools:
            try:
                return getattr(pool, find)(name)
            except KeyError:
                continue
        raise KeyError(name)
