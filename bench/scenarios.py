"""What is measured against what, and what is wanted. The table of the benchmark is this list, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.contenders import (
    AI_SERVER,
    DRAMATIQ,
    FARHAND,
    GRPC,
    LITESTAR,
    NATS,
    ON_AGNT,
    ON_HTTP,
    ON_POSTGRES,
    PROCRASTINATE,
    RAY,
    SNAKEPIT,
    TASKIQ,
    Contender,
)
from bench.results import Target


@dataclass(frozen=True)
class Order:
    """What a contender's client is told to measure."""

    contender: Contender
    do: str
    in_flight: int = 0
    path: str = ""

    @property
    def details(self) -> dict[str, Any]:
        """The order's arguments, beside how long it may take."""
        given = {"in_flight": self.in_flight, "path": self.path}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Comparison:
    """farhand against the best of its baselines. A unit that ends in "/s" is better the more, any other the less."""

    name: str
    title: str
    unit: str
    farhand: Order
    baselines: tuple[Order, ...]
    target: Target
    least: float = 0.0
    """What farhand's own figure must reach too."""

    @property
    def more_is_better(self) -> bool:
        """Which way is up."""
        return self.unit.endswith("/s")

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Whose processes must be there, farhand's first."""
        return tuple(dict.fromkeys(order.contender for order in (self.farhand, *self.baselines)))


@dataclass(frozen=True)
class Figure:
    """A figure of farhand's own."""

    name: str
    title: str
    unit: str
    target: Target


IN_FLIGHT = Order(FARHAND, "rate", 256)
ONE = Order(FARHAND, "latency")

COMPARISONS = (
    Comparison(
        "inflight-nats",
        "256 calls in flight, vs NATS request–reply",
        "calls/s",
        IN_FLIGHT,
        (Order(NATS, "rate", 256),),
        Target(">=", 2.5),
    ),
    Comparison(
        "inflight-ray",
        "256 calls in flight, vs Ray actor calls",
        "calls/s",
        IN_FLIGHT,
        (Order(RAY, "rate", 256),),
        Target(">=", 12),
    ),
    Comparison(
        "inflight-redis",
        "256 calls in flight, vs task queues on Redis",
        "calls/s",
        IN_FLIGHT,
        (Order(TASKIQ, "rate", 256), Order(DRAMATIQ, "rate", 256)),
        Target(">=", 20),
    ),
    Comparison(
        "latency-grpc",
        "one call at a time, vs a bare bidirectional ping-pong",
        "ms p50",
        ONE,
        (Order(GRPC, "latency"),),
        Target("<=", 2.8),
    ),
    Comparison(
        "latency-ray",
        "one call at a time, vs a Ray actor call",
        "ms p50",
        ONE,
        (Order(RAY, "latency"),),
        Target("<=", 1),
    ),
    Comparison(
        "unary",
        "64 unary Run in flight, vs a bare unary echo",
        "calls/s",
        Order(FARHAND, "unary", 64),
        (Order(GRPC, "unary", 64),),
        Target(">=", 0.45),
    ),
    Comparison(
        "snakepit",
        "64 Snakepit Execute in flight, vs a bare unary echo",
        "calls/s",
        Order(SNAKEPIT, "rate", 64),
        (Order(GRPC, "unary", 64),),
        Target(">=", 0.6),
    ),
    Comparison(
        "http",
        "64 POST /v1/run/add in flight, vs a bare litestar echo",
        "requests/s",
        Order(ON_HTTP, "rate", 64, "/v1/run/add"),
        (Order(LITESTAR, "rate", 64, "/echo"),),
        Target(">=", 0.5),
    ),
    Comparison(
        "nextflow",
        "64 observations in flight at an AI server, vs a bare unary echo",
        "calls/s",
        Order(AI_SERVER, "unary", 64),
        (Order(GRPC, "unary", 64),),
        Target(">=", 0.8),
    ),
    Comparison(
        "agnt",
        "64 SendCommand in flight to one agent, vs a bare unary echo",
        "commands/s",
        Order(ON_AGNT, "unary", 64),
        (Order(GRPC, "unary", 64),),
        Target(">=", 0.4),
    ),
    Comparison(
        "first-chunk",
        "a stream's first chunk, vs farhand's own run",
        "ms p50",
        Order(FARHAND, "first_chunk"),
        (ONE,),
        Target("<=", 1.5),
    ),
    Comparison(
        "cached",
        "a durable job's cached answer, vs farhand's own run",
        "ms p50",
        Order(FARHAND, "cached"),
        (ONE,),
        Target("<=", 2),
    ),
    Comparison(
        "durable-redis",
        "256 durable jobs in flight, fsynced, vs task queues on Redis, not",
        "jobs/s",
        Order(FARHAND, "durable", 256),
        (Order(TASKIQ, "rate", 256), Order(DRAMATIQ, "rate", 256)),
        Target(">=", 5),
    ),
    Comparison(
        "chunks",
        "a stream of 1 KiB chunks, vs a bare server stream",
        "chunks/s",
        Order(FARHAND, "chunks"),
        (Order(GRPC, "chunks"),),
        Target(">=", 3),
    ),
    Comparison(
        "durable-postgres",
        "256 durable jobs in flight, 2 hubs and 8 workers, vs procrastinate with 8",
        "jobs/s",
        Order(ON_POSTGRES, "rate", 256),
        (Order(PROCRASTINATE, "rate", 256),),
        Target(">=", 3),
        least=1_500,
    ),
)

IDLE_MEMORY = Figure("idle-memory", "hub memory of an idle worker", "KB", Target("<=", 60))
IDLE_CPU = Figure("idle-cpu", "hub CPU for heartbeats", "% of a core", Target("<=", 10))
IDLE = (IDLE_MEMORY, IDLE_CPU)
"""Of a hub with many idle workers."""

DURABLE_RATE = Figure("durable", "256 durable jobs in flight, submit to result", "jobs/s", Target(">=", 4000))
WAITING_MEMORY = Figure("waiting-memory", "hub memory of a waiting durable job", "KB", Target("<=", 1))
DURABLE = (DURABLE_RATE, WAITING_MEMORY)
"""Of a hub with its jobs in SQLite, every commit fsynced."""

CLAIM_SQLITE = Figure("claim-sqlite", "a claim from SQLite", "ms p99", Target("<=", 1.5))
CLAIM_POSTGRES = Figure("claim-postgres", "a claim from PostgreSQL", "ms p99", Target("<=", 1.5))
CLAIMS = (CLAIM_SQLITE, CLAIM_POSTGRES)
"""Of a store with many finished jobs, beside one with few."""

SSE_MEMORY = Figure("sse-memory", "hub memory of one who follows a job's events", "KB", Target("<=", 30))
SSE_DELAY = Figure("sse-delay", "the longest that an event takes to reach anyone", "ms", Target("<=", 1000))
SSE = (SSE_MEMORY, SSE_DELAY)
"""Of a hub where many follow one durable job over HTTP."""


@dataclass(frozen=True)
class ArrayFigure(Figure):
    """An array there and back, how many times as fast as JSON: `do` is what the client is told, `size` in bytes."""

    do: str
    size: int


SIZES = (("100k", 100_000, 8, 8), ("1m", 1_000_000, 10, 50), ("10m", 10_000_000, 14, 50), ("100m", 100_000_000, 14, 50))
"""Sizes of arrays in bytes, and how many times as fast as JSON a call and the codec alone are to be."""
QUICK_UP_TO = 1_000_000
"""Bytes of the largest array in a short run."""

ARRAYS = tuple(
    ArrayFigure(
        f"{kind}-{name}", f"{what} of {size:,} bytes of float64, vs JSON", "ms p50", Target(">=", wanted), do, size
    )
    for name, size, call, codec in SIZES
    for kind, what, wanted, do in (
        ("codec-call", "a call there and back", call, "call"),
        ("codec", "encode and decode", codec, "codec"),
    )
)
"""Arrays as Arrow beside the same numbers as JSON."""

LARGE = (
    Figure("large-hub", "one large result by way of the hub, vs a bare gRPC stream", "MiB/s", Target(">=", 0.6)),
    Figure("large-direct", "the same from the worker's data port", "MiB/s", Target(">=", 0.85)),
    Figure("large-fair", "eight large results at once: the longest time beside the shortest", "x", Target("<=", 1.5)),
    Figure("large-small", "a short call while a large result passes, vs alone", "ms p99", Target("<=", 3.0)),
)
"""Large results."""

SQL_ROWS = Figure("sql-rows", "rows of sql.query by way of the hub, vs psycopg alone", "rows/s", Target(">=", 0.4))
"""A query to PostgreSQL, in chunks."""

DEVARIA_ANSWER = Figure(
    "devaria-answer", "a check or submit at 200 a second, 16 submitters and 8 runners", "ms p99", Target("<=", 20)
)
DEVARIA_TWICE = Figure("devaria-once", "jobs not answered, or not computed once", "jobs", Target("<=", 0))
DEVARIA = (DEVARIA_ANSWER, DEVARIA_TWICE)
"""Of a hub whose jobs are pulled over HTTP, in SQLite."""

_ALL: tuple[Comparison | Figure, ...] = (
    *COMPARISONS,
    *DURABLE,
    *IDLE,
    *SSE,
    *CLAIMS,
    *ARRAYS,
    *LARGE,
    SQL_ROWS,
    *DEVARIA,
)
TITLES = {one.name: one.title for one in _ALL}


def chosen(only: str) -> list[str]:
    """The scenarios that a comma-separated list means; the beginning of a name means all that begin so.

    Raises:
        ValueError: no scenario begins so.
    """
    names: set[str] = set()
    for wanted in filter(None, (part.strip() for part in only.split(","))):
        found = {name for name in TITLES if name.startswith(wanted)}
        if not found:
            raise ValueError(f"no scenario begins with {wanted!r}; there are: {', '.join(TITLES)}")
        names |= found
    return [name for name in TITLES if name in names or not only]
