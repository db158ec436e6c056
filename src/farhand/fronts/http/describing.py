"""What the OpenAPI document says beside what it reads off the types of the routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Example, OpenAPIHeader, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from farhand.errors import (
    AttemptsExhausted,
    Cancelled,
    DeadlineExceeded,
    FarhandError,
    HandlerFailed,
    HandlerNotFound,
    HeadersTooLarge,
    InvalidArguments,
    JobNotFound,
    Overloaded,
    PermissionDenied,
    SessionLost,
    TooLarge,
    TooSlow,
    Unavailable,
    UnsupportedMedia,
)
from farhand.wire.http import problems, values
from farhand.wire.http.bodies import NewJob
from farhand.wire.http.events import MEDIA as EVENT_STREAM
from farhand.wire.http.problems import Problem

ALWAYS = (InvalidArguments, PermissionDenied, TooSlow, TooLarge, Overloaded, HeadersTooLarge, FarhandError)
"""What any request may be answered with."""
WITH_BODY = (UnsupportedMedia,)
OF_A_STORE = (Unavailable,)
OF_A_JOB = (JobNotFound, Unavailable)
OF_AN_END = (HandlerFailed, Cancelled, AttemptsExhausted, DeadlineExceeded)
OF_A_RUN = (HandlerNotFound, SessionLost, Unavailable, UnsupportedMedia, *OF_AN_END)

_SAID = {
    400: "Something in the request doesn't fit; `details.problems` has the path of each wrong field.",
    403: "Asked for by a name, or from a page, that may not ask this hub.",
    404: "There is no such thing.",
    408: "The request did not come whole in time.",
    409: "It ended otherwise: cancelled, or not begun because another had failed.",
    410: "The session is lost, or that part of the log is not kept any more.",
    413: "A body, an argument object or a result is over its limit.",
    415: "The body is not JSON.",
    429: "A bounded queue is full: wait for `Retry-After`.",
    431: "Too many headers, or too long ones.",
    500: "The handler raised; `details` has its type and traceback.",
    502: "A worker was lost while it ran; the outcome is unknown.",
    503: "The hub is stopping, or its store is away.",
    504: "The deadline has passed.",
}


def problems_of(*errors: type[FarhandError]) -> dict[int, ResponseSpec]:
    """The problems that a route may answer, beside those of any request."""
    found: dict[int, list[str]] = {}
    every: tuple[type[FarhandError], ...] = (*ALWAYS, *errors)
    for error in every:
        found.setdefault(error.http_status, []).append(error.code)
    return {status: _spec(status, sorted(set(codes))) for status, codes in sorted(found.items())}


def _spec(status: int, codes: list[str]) -> ResponseSpec:
    example = Problem(
        type=problems.TYPES + codes[0].lower().replace("_", "-"),
        title=_SAID[status].partition(";")[0].rstrip("."),
        status=status,
        code=codes[0],
        retryable=status in (408, 429, 503),
        detail="what happened, and what to do",
        instance="/v1/run/add",
    )
    return ResponseSpec(
        data_container=Problem,
        description=f"{_SAID[status]} Codes: {', '.join(codes)}.",
        media_type=problems.MEDIA,
        generate_examples=False,
        examples=[Example(value=msgspec.to_builtins(example))],
    )


_ANYTHING = Schema(description="What the handler answers; of one that streams, the list of its chunks.")
_RESULT = {
    values.JSON: OpenAPIMediaType(schema=_ANYTHING, examples={"add": Example(value=3.0)}),
    values.OCTETS: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)),
}


def _says(operation: Operation, status: str, content: Mapping[str, OpenAPIMediaType], said: str) -> None:
    found: Any = (operation.responses or {})[status]
    found.content = dict(content)
    found.description = said


def _add_location(operation: Operation, status: str) -> None:
    found: Any = (operation.responses or {})[status]
    found.headers = {
        **(found.headers or {}),
        "Location": OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING), description="Path of the job."),
    }


@dataclass
class RunOperation(Operation):
    """Takes the arguments object, answers the result."""

    def __post_init__(self) -> None:
        """Say so."""
        schema = Schema(type=OpenAPIType.OBJECT, description="The handler's arguments by name.")
        example = Example(value={"a": 1, "b": 2})
        self.request_body = RequestBody(
            content={values.JSON: OpenAPIMediaType(schema=schema, examples={"add": example})}, required=False
        )
        _says(self, "200", _RESULT, "The result.")
        _add_location(self, "202")


@dataclass
class ResultOperation(Operation):
    """Answers the result of a job."""

    def __post_init__(self) -> None:
        """Say so."""
        _says(self, "200", _RESULT, "The result.")
        _add_location(self, "202")


@dataclass
class ContentOperation(Operation):
    """Answers bytes."""

    def __post_init__(self) -> None:
        """Say so."""
        media = {values.OCTETS: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))}
        _says(self, "200", media, "The bytes, in a media type that says what they are.")


@dataclass
class SubmitOperation(Operation):
    """Takes a job, answers where it is."""

    def __post_init__(self) -> None:
        """Say so."""
        _add_location(self, "202")


@dataclass
class EventsOperation(Operation):
    """Answers server-sent events."""

    def __post_init__(self) -> None:
        """Say so."""
        text = 'id: 1\nevent: started\ndata: {"offset":1,"at":1.5,"kind":"started","worker":"w1"}\n\n'
        text_schema = Schema(type=OpenAPIType.STRING)
        schema = Schema(
            type=OpenAPIType.OBJECT,
            description="Each event: its offset, its kind, and one JSON object.",
            properties={"id": text_schema, "event": text_schema, "data": text_schema},
        )
        media = {EVENT_STREAM: OpenAPIMediaType(schema=schema, examples={"started": Example(value=text)})}
        _says(self, "200", media, "The log as server-sent events.")


@dataclass
class MetricsOperation(Operation):
    """Answers Prometheus' text."""

    def __post_init__(self) -> None:
        """Say so."""
        media = {"text/plain; version=0.0.4; charset=utf-8": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}
        _says(self, "200", media, "Prometheus' text format.")


class Document(JsonRenderPlugin):
    """The document, with the body of a submit, which the routes read by themselves."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document as JSON."""
        (body,), components = msgspec.json.schema_components([NewJob], ref_template="#/components/schemas/{name}")
        example = {"handler": "add", "args": {"a": 1, "b": 2}}
        content = {values.JSON: {"schema": body, "examples": {"add": {"value": example}}}}
        submit = openapi_schema["paths"]["/v1/jobs"]["post"]
        submit["requestBody"] = {"required": True, "content": content}
        openapi_schema.setdefault("components", {}).setdefault("schemas", {}).update(components)
        return super().render(request, openapi_schema)
