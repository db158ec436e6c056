"""Durable jobs: what is kept of one in a store. Times are seconds since 1970 by the store's clock."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farhand.model.event import Event
from farhand.model.job import NO_LABELS
from farhand.model.payload import NOTHING, Payload
from farhand.model.state import State

FOREVER = float("inf")


class Retries(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often a durable job is tried, and how long it waits in between.

    `attempts` counts the first one too. The n-th wait is uniform between 0 and ``backoff * 2 ** (n - 1)`` seconds, at
    most `backoff_limit`. An error whose type is named in `never` is not tried again.
    """

    attempts: int = 1
    backoff: float = 1.0
    backoff_limit: float = 300.0
    never: tuple[str, ...] = ()


class Keep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a handler's jobs that have ended: the newest `jobs`, each for `seconds` after its end; and of
    each job's log, ended or not, the newest `entries`. None: nothing is said of it; 0: no bound."""

    jobs: int | None = None
    seconds: float | None = None
    entries: int | None = None


class DurableJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job as it was submitted.

    `run_at` is when it may begin; `begin_by` and `end_by` are when it expires unless it has begun, or ended;
    `run_timeout` is how long one attempt may take. `key` is its idempotency key, which finds it again until
    `key_until`. `cache_key` finds a job that does or did the same work; a success answers for `cache_ttl` seconds, and
    so does a failure with `cache_failures`. `after` are its parents, and `inputs` the arguments that are filled from a
    parent's result. `retry_of` is the job it starts anew.
    """

    id: str
    handler: str
    group: str = "default"
    args: Payload = NOTHING
    labels: Mapping[str, str] = NO_LABELS
    priority: int = 0
    created: float
    run_at: float
    begin_by: float = FOREVER
    end_by: float = FOREVER
    run_timeout: float | None = None
    retries: Retries = Retries()
    key: str = ""
    key_until: float = 0.0
    cache_key: str = ""
    cache_ttl: float = FOREVER
    cache_failures: bool = False
    after: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {}
    retry_of: str = ""
    schedule: str = ""


class KeptJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the store has it now.

    `epoch` fences: each claim raises it, and only writes that name the current one count. `attempt` counts from 1, 0
    before the first. `run_at` is when it may begin (again). `worker` has or had it; until it says so, the hub that
    claimed it. `last` is its last event once it has ended; `offset` is the place that the next event of its log will
    have, and `first` that of the first one that is still kept. `cut` is how many chunks of the attempt that goes on at
    `first` came before it.
    """

    job: DurableJob
    state: State
    epoch: int = 0
    attempt: int = 0
    run_at: float
    worker: str = ""
    lease_until: float = 0.0
    offset: int = 0
    first: int = 0
    cut: int = 0
    ended: float | None = None
    last: Event | None = None


class Entry(msgspec.Struct, frozen=True):
    """An entry of a job's log. `offset` counts from 0 without a gap; `number` is a chunk's place, from 1."""

    offset: int
    at: float
    event: Event
    number: int = 0


class Said(msgspec.Struct, frozen=True):
    """An event to be put into a log; `number` as in `Entry`."""

    event: Event
    number: int = 0
