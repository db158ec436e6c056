"""The results of a service's tasks: kept beside the hub, each under its task, and told as references."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from farhand.model.handler import HandlerSpec
from farhand.model.payload import Payload
from farhand.model.spooled import Spooled
from farhand.ports.spool import Spool
from farhand.wire.control import messages
from farhand.wire.control.messages import Rpc
from farhand.wire.control.orders import Execute
from farhand.wire.control.results import FORMATS, Result, read_result
from farhand.wire.values import to_payload

TASK_ID, LAST = "x-task-id", "GetLastResult"
REMEMBERED = 10_000
"""Results among which the newest are looked for."""


class Public(msgspec.Struct, frozen=True, kw_only=True):
    """How others reach this service: `grpc` as HOST:PORT, `http` as ``http://HOST:PORT``."""

    grpc: str
    http: str


class ServiceWays:
    """`tasks.Ways` of a service. `public` is set once it listens."""

    reads = True

    def __init__(self, spool: Spool, rpcs: Sequence[Rpc]) -> None:
        self.public = Public(grpc="", http="")
        self._spool = spool
        self._rpcs = rpcs
        self._secret = secrets.token_bytes(32)
        self._newest: dict[str, Spooled] = {}

    def arguments(self, order: Execute, spec: HandlerSpec) -> Payload:
        """The whole order."""
        return to_payload({"order": msgspec.to_builtins(order)}, what="the order")

    def output(self, id: str, result: Payload, base: str) -> dict[str, Any]:
        """Where it is: over gRPC if an rpc of the proto gives it, else over HTTP."""
        found = read_result(result)
        named = {TASK_ID: id}
        if found.output is not None:
            output = dict(found.output)
            if found.spooled is not None and output.get("protocol") == "grpc":
                output["metadata"] = {**(output.get("metadata") or {}), **named}
            return output
        spooled = found.spooled
        if spooled is None:
            return {"protocol": "inline", "uri": "", "format": "json"}
        way = self._way(spooled)
        if way is not None:
            format = spooled.type.rpartition(".")[2] if way.name == LAST else way.name
            return {"protocol": "grpc", "uri": self.public.grpc, "format": format, "metadata": named}
        format = spooled.type or FORMATS[spooled.content]
        return {"protocol": "http", "uri": self.data_uri(id), "format": format, "metadata": named}

    def ended(self, id: str, result: Payload | None) -> None:
        """Keep its result as the newest, and nothing else of it."""
        found = Result() if result is None else read_result(result)
        self._spool.release(id, found.spooled)
        if found.spooled is not None:
            self._newest[id] = found.spooled
            if len(self._newest) > REMEMBERED:
                del self._newest[next(iter(self._newest))]

    def newest(self, rpc: Rpc) -> Spooled | None:
        """The newest result that this rpc gives; None where there is none yet."""
        for id, spooled in reversed(list(self._newest.items())):
            if not self._spool.has(spooled):
                del self._newest[id]
            elif fits(spooled, rpc):
                return spooled
        return None

    # -- data over HTTP ----------------------------------------------------------------------------------------------

    def data_uri(self, id: str) -> str:
        """Where a task's data is over HTTP, for whoever has this address."""
        return f"{self.public.http}/control/data/{id}?token={self.token(id)}"

    def token(self, id: str) -> str:
        """What lets its bearer fetch this task's data."""
        return hmac.new(self._secret, id.encode(), hashlib.sha256).hexdigest()[:32]

    def _way(self, spooled: Spooled) -> Rpc | None:
        """The rpc by which a result is fetched: a unary one for one message; for a stream of messages, or bytes, one
        that streams these. By a message that only carries bytes, what they mean would be lost."""
        found = [rpc for rpc in self._rpcs if rpc.asks_nothing and fits(spooled, rpc)]
        if spooled.content == "bytes":
            found = [rpc for rpc in found if rpc.streams]
        else:
            own = [rpc for rpc in found if spooled.type and spooled.type == rpc.gives.DESCRIPTOR.full_name]
            found = [rpc for rpc in own if rpc.streams == (spooled.content == "messages")]
        return min(found, key=lambda rpc: rpc.name != LAST, default=None)


def fits(spooled: Spooled, rpc: Rpc) -> bool:
    """Whether an rpc's answer can be this result: its own type, or bytes in a message that carries some."""
    if spooled.type and spooled.type == rpc.gives.DESCRIPTOR.full_name:
        return True
    return bool(messages.carrier(rpc.gives)) and (rpc.streams or spooled.content == "bytes")
