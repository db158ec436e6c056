"""The routes of durable jobs, but their events."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec

from farhand.errors import DataDamaged, LogPruned, RefExpired, RefNotFound, Unavailable
from farhand.fronts.http import content, describing
from farhand.fronts.http import parameters as given
from farhand.fronts.http.bodied import json_body
from farhand.fronts.http.door import door_of
from farhand.hub.calling import cancel as cancel_job
from farhand.hub.calling import kept_answer
from farhand.model.durable import KeptJob
from farhand.model.payload import Media
from farhand.model.ref import from_payload
from farhand.model.state import read_states
from farhand.ports.store import Filter
from farhand.wire.http import bodies, values
from farhand.wire.http.bodies import JobBody, JobsBody, ReceiptBody, RefBody

END_WITHIN = 30.0
"""Seconds in which the end of a job that has ended is read."""

_KEPT = ResponseSpec(JobBody, description="The job, which is on disk.", generate_examples=False)


@post(
    "/v1/jobs",
    operation_id="submit",
    summary="Keep a durable job",
    description="Answered once the job is on disk.",
    status_code=202,
    responses={202: _KEPT, **describing.problems_of(*describing.OF_A_JOB, *describing.WITH_BODY)},
    operation_class=describing.SubmitOperation,
    tags=["jobs"],
)
async def submit(request: Request[Any, Any, Any], idempotency_key: given.IdempotencyKey = None) -> Response[bytes]:
    """Keep a durable job."""
    order = bodies.order(bodies.read_new_job(await json_body(request)), idempotency_key)
    added = await door_of(request).kept.order(order)
    return _where(added.kept, added.how)


@get(
    "/v1/jobs",
    operation_id="list_jobs",
    summary="List durable jobs, newest first",
    responses=describing.problems_of(*describing.OF_A_STORE),
    tags=["jobs"],
)
async def find(
    request: Request[Any, Any, Any],
    status: given.Status = None,
    handler: given.OnlyHandler = "",
    group: given.OnlyGroup = "",
    label: given.Labels = None,
    error: given.ErrorCode = "",
    before: given.Before = "",
    limit: given.Limit = 50,
) -> JobsBody:
    """List durable jobs."""
    wanted = Filter(
        states=read_states(status or ()),
        handler=handler,
        group=group,
        labels=given.labels_of(label),
        code=error,
        before=before,
        limit=limit,
    )
    return bodies.jobs_body(await door_of(request).kept.find(wanted), limit)


@get(
    "/v1/jobs/{job:str}",
    operation_id="get_job",
    summary="A durable job as it is now",
    responses=describing.problems_of(*describing.OF_A_JOB),
    tags=["jobs"],
)
async def get_job(request: Request[Any, Any, Any], job: given.JobPath) -> JobBody:
    """A durable job as it is now."""
    return bodies.job_body(await door_of(request).kept.get(job))


@get(
    "/v1/jobs/{job:str}/result",
    operation_id="get_result",
    summary="The result of a durable job",
    description="A job that ended otherwise than by success is answered as the problem it ended with.",
    responses={
        202: ResponseSpec(JobBody, description="It has not ended yet.", generate_examples=False),
        **describing.problems_of(LogPruned, *describing.OF_A_JOB, *describing.OF_AN_END),
    },
    operation_class=describing.ResultOperation,
    tags=["jobs"],
)
async def result(request: Request[Any, Any, Any], job: given.JobPath, wait: given.Wait = 0.0) -> Response[Any]:
    """The result of a durable job."""
    return await outcome(request, await door_of(request).kept.get(job), given.finite("wait", wait))


@get(
    "/v1/jobs/{job:str}/ref",
    operation_id="get_ref",
    summary="A ref to the result of a durable job, and a URL where it can be fetched without asking for the job",
    responses=describing.problems_of(*describing.OF_A_JOB, *describing.OF_AN_END),
    tags=["jobs"],
)
async def get_ref(request: Request[Any, Any, Any], job: given.JobPath, expires_in: given.ExpiresIn = 3600.0) -> RefBody:
    """A ref to a result."""
    return bodies.ref_body(await door_of(request).kept.ref(job, given.finite("expires_in", expires_in)))


@get(
    "/v1/refs/{ref:str}",
    operation_id="fetch",
    summary="What a ref stands for",
    description="Whole, or a range of it. Its id is its ETag, as what a ref names never changes.",
    responses=describing.problems_of(RefNotFound, RefExpired, DataDamaged, Unavailable),
    operation_class=describing.ContentOperation,
    tags=["refs"],
)
async def fetch(request: Request[Any, Any, Any], ref: given.RefPath, token: given.Token) -> Response[Any]:
    """What a ref stands for."""
    transfers = door_of(request).hub.transfers
    return await content.answer(request, transfers, await transfers.about(ref, token), {})


@post(
    "/v1/jobs/{job:str}/cancel",
    operation_id="cancel",
    summary="Cancel a job, durable or a run under way, and wait for the receipt",
    status_code=200,
    responses=describing.problems_of(*describing.OF_A_JOB),
    tags=["jobs"],
)
async def cancel(request: Request[Any, Any, Any], job: given.JobPath) -> ReceiptBody:
    """Cancel a job."""
    door = door_of(request)
    receipt = await cancel_job(door.hub, door.durables, job)
    return ReceiptBody(receipt.outcome, receipt.message)


@post(
    "/v1/jobs/{job:str}/retry",
    operation_id="retry",
    summary="Start an ended durable job anew, as a job of its own",
    status_code=202,
    responses={202: _KEPT, **describing.problems_of(*describing.OF_A_JOB)},
    operation_class=describing.SubmitOperation,
    tags=["jobs"],
)
async def retry(request: Request[Any, Any, Any], job: given.JobPath) -> Response[bytes]:
    """Start an ended durable job anew."""
    added = await door_of(request).kept.retry(job)
    return _where(added.kept, added.how)


async def outcome(
    request: Request[Any, Any, Any], kept: KeptJob, wait: float, how: str | msgspec.UnsetType = msgspec.UNSET
) -> Response[Any]:
    """What a job has come to within `wait` seconds: its result, or where it is.

    Raises:
        FarhandError: it ended otherwise than by success.
    """
    durables, id = door_of(request).kept, kept.job.id
    headers = {"location": f"/v1/jobs/{id}"}
    patience = wait if kept.ended is None else END_WITHIN
    if patience:
        try:
            async with asyncio.timeout(patience):
                result, chunks = await kept_answer(durables, id)
        except TimeoutError:
            kept = await durables.get(id)
        else:
            if result.media == Media.REF:
                return await content.answer(request, durables.transfers, from_payload(result), headers)
            body, media = values.answer(result, chunks)
            return Response(body, status_code=200, media_type=media, headers=headers)
    return _where(kept, how)


def _where(kept: KeptJob, how: str | msgspec.UnsetType = msgspec.UNSET) -> Response[bytes]:
    body = values.encode(bodies.job_body(kept, how))
    headers = {"location": f"/v1/jobs/{kept.job.id}"}
    return Response(body, status_code=202, media_type=values.JSON, headers=headers)
