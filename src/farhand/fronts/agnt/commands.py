"""`SendCommand`: a query for a group of agents, be they foreign or farhand's own workers, and its whole answer."""

from __future__ import annotations

from farhand.errors import (
    DeadlineExceeded,
    HandlerFailed,
    HandlerNotFound,
    InvalidArguments,
    OutcomeUnknown,
    Overloaded,
    TooLarge,
)
from farhand.fronts.agnt.telling import AgentLost, Context
from farhand.hub.calling import Asked, Call
from farhand.hub.service import Hub
from farhand.model.event import Event
from farhand.model.job import NO_LABELS
from farhand.model.limits import MESSAGE_LIMIT, PAYLOAD_LIMIT
from farhand.wire.agnt.messages import HANDLER, LABEL, LARGEST, Order, Reply, failed, read_command
from farhand.wire.agnt.rows import Assembly

KNOWN_SHOWN = 20
ASSEMBLED_LIMIT = 2 * LARGEST
"""Bytes of all the answers that are put together at once."""


class CommandService:
    """`agnt.ClientService`. `timeout` in seconds; `result` is the most that an agent's answer may take, in bytes."""

    def __init__(self, hub: Hub, timeout: float, result: int) -> None:
        self._hub = hub
        self._timeout = timeout
        self._result = result
        self._assembled = 0

    async def send_command(self, request: bytes, context: Context) -> bytes:
        """SendCommand: it is cancelled when its caller leaves."""
        order = read_command(request)
        self._check(order)
        left = context.time_remaining()
        timeout = self._timeout if left is None else min(left, self._timeout)
        labels = NO_LABELS if order.command.data else LABEL
        call = Call(self._hub, Asked(HANDLER, order.command, timeout, order.group, labels=labels), events=False)
        assembly = Assembly(LARGEST)
        try:
            return await self._answer(call, order, assembly)
        except (HandlerFailed, InvalidArguments) as error:
            return failed(error.message)
        finally:
            self._assembled -= assembly.size
            call.leave()

    def _check(self, order: Order) -> None:
        """See that somebody is there for it.

        Raises:
            HandlerNotFound: nobody is.
            TooLarge: it is for farhand's own workers, which take less.
        """
        if not self._hub.serves(order.group, HANDLER):
            known = sorted({view.group for view in self._hub.handlers() if view.handler.name == HANDLER})
            more = f" and {len(known) - KNOWN_SHOWN:,} more" if len(known) > KNOWN_SHOWN else ""
            groups = f"known groups: {', '.join(known[:KNOWN_SHOWN])}{more}" if known else "no group of agents is known"
            raise HandlerNotFound(f"no agent is connected as {order.agent[:60]!r}; {groups}", group=order.group)
        if not order.command.data and not any(
            view.info.labels.items() >= LABEL.items() for view in self._hub.workers(order.group)
        ):
            raise TooLarge(f"farhand's own workers take commands of up to {PAYLOAD_LIMIT:,} bytes", limit=PAYLOAD_LIMIT)

    async def _answer(self, call: Call, order: Order, assembly: Assembly) -> bytes:
        self._assembled += assembly.size
        while True:
            event = await self._next(call, order)
            if isinstance(event.payload, Reply):
                return event.payload.data
            payload = await self._hub.transfers.whole(event.payload, LARGEST - assembly.size)
            if event.kind.final:
                return assembly.answer(payload)
            before = assembly.size
            try:
                assembly.add(payload)
            finally:
                self._assembled += assembly.size - before
            if self._assembled > ASSEMBLED_LIMIT:
                raise Overloaded(
                    f"the hub puts together answers of {ASSEMBLED_LIMIT:,} bytes already: retry in a moment, or stream "
                    f"{HANDLER}",
                    retry_after=5.0,
                )
            call.grant()

    async def _next(self, call: Call, order: Order) -> Event:
        try:
            return (await call.next())[0]
        except OutcomeUnknown as error:
            hint = "" if self._result > MESSAGE_LIMIT else _LARGER
            raise AgentLost(f"{error.message}{hint}", **error.details) from None
        except DeadlineExceeded as error:
            hint = f". Some agents never answer for a database they don't know, as {order.database[:60]!r} may be"
            raise DeadlineExceeded(f"{error.message}{hint}", **error.details) from None


_LARGER = (
    f". Agents whose answers take more than {MESSAGE_LIMIT >> 20} MiB are cut off, unless the hub is started with "
    "FARHAND_AGNT_RESULT=2GiB"
)
