"""Orders for a hub's own handlers: parameters are arguments, and the result is at the hub's own HTTP door."""

from __future__ import annotations

from typing import Any

import msgspec

from farhand.model.handler import HandlerSpec
from farhand.model.payload import Media, Payload
from farhand.wire.control.orders import Execute
from farhand.wire.values import to_payload


class HubWays:
    """`tasks.Ways` of a hub."""

    reads = False

    def arguments(self, order: Execute, spec: HandlerSpec) -> Payload:
        """The parameters; with the references in `inputs` where the handler takes an argument of that name."""
        args = dict(order.parameters)
        if "inputs" not in args and "inputs" in _arguments_of(spec):
            args["inputs"] = order.inputs
        return to_payload(args, int(Media.JSON), what="the order's parameters")

    def output(self, id: str, result: Payload, base: str) -> dict[str, Any]:
        """Where it is over HTTP."""
        return {"protocol": "http", "uri": f"{base}/v1/jobs/{id}/result", "format": "json"}

    def ended(self, id: str, result: Payload | None) -> None:
        """The hub keeps it."""


def _arguments_of(spec: HandlerSpec) -> dict[str, Any]:
    schema = msgspec.json.decode(spec.parameters)
    named = schema.get("$defs", {}).get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    return dict(named.get("properties", {}))
