"""What the routes share: a Devaria job is a durable job of one group, and these are its ends as they are told."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from farhand.errors import FarhandError, JobNotFound, OutcomeUnknown
from farhand.fronts.devaria.options import DevariaOptions
from farhand.fronts.devaria.pages import Pages
from farhand.hub.calling import kept_answer
from farhand.hub.durable import Durables
from farhand.model.durable import FOREVER, DurableJob, KeptJob
from farhand.model.order import Order
from farhand.model.payload import Media, Payload
from farhand.model.state import State
from farhand.wire.devaria import asked, told
from farhand.wire.plain import value_of

READ_LIMIT = 4 * 1024 * 1024
"""Bytes of a worker's result that is told here; of a larger one, its ref is."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Jobs:
    """The Devaria jobs of a hub."""

    def __init__(self, durables: Durables, options: DevariaOptions) -> None:
        self.durables = durables
        self.options = options
        self.pages = Pages(options.page_hosts)

    async def get(self, id: str) -> KeptJob | None:
        """The job of an id; None if there is none, or it is none of Devaria's."""
        if not _ID.fullmatch(id):
            return None
        try:
            kept = await self.durables.get(id)
        except JobNotFound:
            return None
        return kept if kept.job.group == self.options.group else None

    def job_of(self, wanted: asked.Asked) -> DurableJob:
        """The job that is asked for, to be submitted. Its end answers for equal work as long as it is kept, whatever
        its handler declares."""
        order = Order(
            handler=wanted.job_type,
            group=self.options.group,
            args=wanted.params,
            cache=True,
            cache_key=wanted.identity,
            cache_failures=True,
        )
        job = self.durables.job_of(order)
        return replace(job, id=self.durables.recalling.new_id(), cache_ttl=FOREVER)

    async def good(self, kept: KeptJob) -> bool:
        """Whether the pages that a result names are still there."""
        if kept.last is None or (
            kept.last.payload.media == Media.JSON and asked.FIGPACK.encode() not in kept.last.payload.data
        ):
            return True
        return await self.pages.are_there(list(asked.pages_in(await self.output(kept))))

    async def status(self, kept: KeptJob) -> str:
        """What its state is called."""
        return told.status_of(kept, await self.durables.recalling.is_outdated(kept))

    async def end(self, kept: KeptJob, status: str) -> dict[str, Any]:
        """How it ended, if it did."""
        if status == "completed":
            console = await self.durables.pulling.console(kept, asked.CONSOLE_LIMIT)
            return told.result(await self.output(kept), console)
        if kept.state in (State.FAILED, State.CANCELLED) and kept.last is not None:
            return told.error(kept.last.fault)
        return {}

    async def output(self, kept: KeptJob) -> Any:
        """The result of a job that completed, as an object."""
        assert kept.last is not None, "a job that has ended has a last event"
        payload, chunks = kept.last.payload, list[Payload]()
        try:
            if payload.media == Media.NONE:
                payload, chunks = await kept_answer(self.durables, kept.job.id)
            whole = await self.durables.transfers.whole(payload, READ_LIMIT)
            return told.output_of(whole, chunks)
        except FarhandError as error:  # what it was large and kept elsewhere is gone, or can't be read
            return {"error": f"the result can't be read: {error.message}"}

    def params(self, kept: KeptJob) -> dict[str, Any] | None:
        """What it is asked with; None where that is no object that fits."""
        args = kept.job.args
        if args.media not in (Media.JSON, Media.MSGPACK, Media.NONE) or len(args.data) > asked.PARAMS_LIMIT:
            return None
        try:
            found = value_of(args) if args.data else {}
        except OutcomeUnknown:
            return None
        return found if isinstance(found, dict) else None
