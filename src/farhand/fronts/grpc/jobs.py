"""The door for durable jobs: their methods of `ClientService`."""

from __future__ import annotations

from contextlib import aclosing

from farhand.core.caching import cache_key
from farhand.errors import TooLarge
from farhand.fronts.grpc.guard import Context
from farhand.fronts.grpc.patience import write
from farhand.hub.calling import ANSWER_LIMIT
from farhand.hub.durable import Durables, kept_by
from farhand.model.names import check_name
from farhand.wire.farhand import jobs
from farhand.wire.farhand._pb import client_pb2


class JobService:
    """`ClientService`'s methods for durable jobs."""

    def __init__(self, durables: Durables | None) -> None:
        self._durables = durables

    async def submit(self, request: client_pb2.SubmitRequest, context: Context) -> client_pb2.SubmitResponse:
        """Submit."""
        added = await self.kept().order(jobs.order(request))
        return client_pb2.SubmitResponse(job=jobs.view_message(added.kept), how=added.how)

    async def get(self, request: client_pb2.GetJobRequest, context: Context) -> client_pb2.GetJobResponse:
        """GetJob."""
        return client_pb2.GetJobResponse(job=jobs.view_message(await self.kept().get(request.job_id)))

    async def find(self, request: client_pb2.ListJobsRequest, context: Context) -> client_pb2.ListJobsResponse:
        """ListJobs: without their results, which can be large."""
        answer = client_pb2.ListJobsResponse()
        for kept in await self.kept().find(jobs.job_filter(request)):
            view = jobs.view_message(kept)
            view.last.ClearField("payload")
            answer.jobs.append(view)
        if answer.ByteSize() > ANSWER_LIMIT:
            raise TooLarge("the listing is larger than a message: ask for fewer jobs", limit=ANSWER_LIMIT)
        return answer

    async def attach(self, request: client_pb2.AttachRequest, context: Context) -> None:
        """Attach: HTTP/2's flow control holds back a slow reader, and nothing is kept for it here but a page."""
        async with aclosing(self.kept().attach(request.job_id, request.offset)) as log:
            async for entry in log:
                await write(context, jobs.entry_message(request.job_id, entry), request.job_id, entry.offset)

    async def retry(self, request: client_pb2.RetryJobRequest, context: Context) -> client_pb2.SubmitResponse:
        """RetryJob."""
        added = await self.kept().retry(request.job_id)
        return client_pb2.SubmitResponse(job=jobs.view_message(added.kept), how=added.how)

    async def uncache(self, request: client_pb2.UncacheRequest, context: Context) -> client_pb2.UncacheResponse:
        """Uncache."""
        handler, group = check_name("handler", request.handler), request.group or "default"
        key = request.cache_key
        if request.args_digest:
            version = self.kept().declarations.of(group, handler).version
            key = cache_key(handler, group, version, request.args_digest)
        return client_pb2.UncacheResponse(count=await self.kept().uncache(handler, key))

    async def schedules(
        self, request: client_pb2.ListSchedulesRequest, context: Context
    ) -> client_pb2.ListSchedulesResponse:
        """ListSchedules."""
        found = await self.kept().schedules.all()
        return client_pb2.ListSchedulesResponse(schedules=[jobs.schedule_view(one) for one in found])

    async def drop_schedule(
        self, request: client_pb2.DropScheduleRequest, context: Context
    ) -> client_pb2.DropScheduleResponse:
        """DropSchedule."""
        await self.kept().schedules.drop(request.name)
        return client_pb2.DropScheduleResponse()

    async def fire_schedule(
        self, request: client_pb2.FireScheduleRequest, context: Context
    ) -> client_pb2.FireScheduleResponse:
        """FireSchedule."""
        kept = await self.kept().fire(request.name)
        return client_pb2.FireScheduleResponse(job=jobs.view_message(kept))

    def kept(self) -> Durables:
        """The hub's durable jobs.

        Raises:
            Unavailable: it keeps none.
        """
        return kept_by(self._durables)
