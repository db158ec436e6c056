"""What a caller asks of a durable job, whatever the protocol."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farhand.model.job import NO_LABELS
from farhand.model.payload import NOTHING, Payload


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A durable job as it is asked for; `hub.ordering` checks it. Times are in seconds.

    What is 0 or empty of `attempts`, `backoff`, `never` and `cache_ttl` is as the handler declares; `backoff_limit` is
    then 300; of the others it means none. `run_at` is seconds since 1970, in place of `delay`. `timeout` is for one
    attempt. `cache` is None where the handler is to say. `digest` is a SHA-256 over what the arguments mean, for
    `cache`; empty: their bytes count. `after` are jobs that must succeed first, `inputs` those whose results are
    arguments.
    """

    handler: str
    group: str = ""
    args: Payload = NOTHING
    labels: Mapping[str, str] = NO_LABELS
    priority: int = 0
    timeout: float | None = None
    session: str = ""
    key: str = ""
    delay: float = 0.0
    run_at: float = 0.0
    attempts: int = 0
    backoff: float = 0.0
    backoff_limit: float = 0.0
    never: tuple[str, ...] = ()
    begin_within: float = 0.0
    end_within: float = 0.0
    cache: bool | None = None
    cache_key: str = ""
    cache_ttl: float = 0.0
    cache_failures: bool = False
    digest: bytes = b""
    after: tuple[str, ...] = ()
    inputs: Mapping[str, str] = NO_LABELS
