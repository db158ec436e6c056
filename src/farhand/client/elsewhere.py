"""What the calls of a connection have that stands in no frame: large arguments, which are held, and answers, which are
fetched."""

from __future__ import annotations

import asyncio

from farhand.carriage.carriage import Carriage
from farhand.client.calls import RunCall
from farhand.errors import DeadlineExceeded, FarhandError
from farhand.model.payload import Payload
from farhand.model.ref import as_payload
from farhand.wire.codecs.base import Encoded

FOREVER = 10 * 365 * 86_400.0
"""Seconds of a call without a deadline."""


class Elsewhere:
    """All of one connection. `held` has the ids of arguments by the number of their call."""

    def __init__(self, carriage: Carriage, loop: asyncio.AbstractEventLoop) -> None:
        self._carriage = carriage
        self._loop = loop
        self._fetches: set[asyncio.Task[None]] = set()
        self.held: dict[int, str] = {}

    def hold(self, number: int, args: Encoded) -> Payload:
        """Hold large arguments until the call ends; what stands for them in its frame."""
        ref = self._carriage.keeper.keep(args)
        self.held[number] = ref.id
        return as_payload(ref)

    def let_go(self, number: int) -> None:
        """The call has ended, with or without such arguments."""
        id = self.held.pop(number, None)
        if id is not None:
            self._carriage.keeper.drop(id)

    async def fetch(self, payload: Payload, due: float) -> Payload:
        """The payload itself where that is a ref, by `due` of the loop's clock.

        Raises:
            DeadlineExceeded: it isn't here by then.
            FarhandError: it can't be had, as the class says.
        """
        try:
            async with asyncio.timeout_at(due if due < self._loop.time() + FOREVER / 2 else None):
                return await self._carriage.resolve(payload)
        except TimeoutError:
            text = "what the handler answered is not here within the timeout"
            raise DeadlineExceeded(text, dispatched=True) from None

    def fetch_for(self, call: RunCall) -> None:
        """Complete the call with what it has answered, once that is here."""
        call.fetching = task = self._loop.create_task(self._complete(call))
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)

    async def _complete(self, call: RunCall) -> None:
        """Fetch what a call has answered; a stream's chunks one after the other."""
        answer = call.elsewhere
        call.elsewhere = None
        try:
            if isinstance(answer, list):
                call.complete([await self.fetch(chunk, call.due) for chunk in answer])
            elif answer is not None:
                call.complete(await self.fetch(answer, call.due))
        except FarhandError as error:
            call.miss(error)

    def stop(self) -> None:
        """Fetch nothing more."""
        for task in self._fetches:
            task.cancel()
