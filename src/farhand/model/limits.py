"""Sizes and times that both ends of a wire must agree on. Bytes and seconds."""

from __future__ import annotations

from typing import Final

PROTOCOL: Final = 1
"""Version of the conversation; a peer with another one is refused (P10: minor releases never change it)."""

MESSAGE_LIMIT: Final = 4 * 1024 * 1024
"""No gRPC message is larger."""

PAYLOAD_LIMIT: Final = 1024 * 1024
"""Largest single argument object, result or chunk in a shared frame."""

INLINE_LIMIT: Final = 64 * 1024
"""Largest payload that farhand's own ends put into a shared frame; a larger one goes over a stream of its own."""

PART: Final = 512 * 1024
"""Bytes in each part of such a stream, but the last."""

PARTS_AHEAD: Final = 4
"""Parts of one stream that a hub holds for whoever reads it."""

LINGER: Final = 120.0
"""Seconds for which a payload is held for whoever doesn't fetch it, or doesn't go on."""

READ_AHEAD: Final = 2 * 1024 * 1024
"""HTTP/2's window for each stream. Fixed: gRPC's own adapts it by a ping for every frame that comes, which costs a hub
with many idle workers more than their heartbeats do."""

MESSAGES_LIMIT: Final = 65_536
"""Most messages of one Arrow stream: a table's batches and dictionaries."""

JSON_UP_TO: Final = 10 * 1024
"""Largest result that a worker sends as JSON to a caller who asked for that where it keeps the value."""

FRAME_TARGET: Final = 256 * 1024
"""A frame is closed once it holds this much, so that one frame plus one payload stays under MESSAGE_LIMIT."""

INPUTS_LIMIT: Final = MESSAGE_LIMIT - FRAME_TARGET - PAYLOAD_LIMIT - 256 * 1024
"""Most that the results of other jobs, which one job takes as arguments, may take together: 2.5 MiB, so that they go
into one frame beside its other arguments."""

ENTRIES: Final = 96
"""Entries a frame is closed at, though more wait: small enough that every process of a call's path is busy at once,
large enough that a frame's own cost (about 0.1 ms at each end) hardly counts."""

TEXT_LIMIT: Final = 64 * 1024
"""Longest console text, message or traceback in one event; longer ones are cut with a mark."""

PACE: Final = 0.055
"""Seconds between two events of printed text, and between two of progress, in the log of a durable job's attempt; so
there are at most 20 a second, with the one that its end takes with it."""

NAME_LIMIT: Final = 200
"""Longest handler, group, worker or session name, in characters."""

ATTEMPTS_LIMIT: Final = 1_000
"""Most attempts of one durable job."""

NEVER_LIMIT: Final = 100
"""Most error types after which a durable job is not tried again."""

LIST_LIMIT: Final = 1_000
"""Most durable jobs that one listing names."""

SECONDS_LIMIT: Final = 10 * 365 * 86_400.0
"""Longest time that an option of a durable job may name."""

KEEP_LIMIT: Final = 1_000_000_000
"""Most jobs or log entries whose keeping may be asked for by number."""

CREDIT_WINDOW: Final = 1024 * 1024
"""Bytes of chunks a worker may send before the reader has taken them."""

WINDOW_LIMIT: Final = 4 * CREDIT_WINDOW
"""Most that may be granted of one job's chunks at once, whatever its reader says it takes."""

CHUNK_OVERHEAD: Final = 64
"""Bytes charged to the window for each chunk beside its payload, so that empty chunks are bounded too."""

HEARTBEAT: Final = 5.0
"""Seconds between a peer's heartbeats to its hub."""

HUB_HEARTBEAT: Final = 10.0
"""Seconds between a hub's heartbeats to a peer, which it has thousands of."""

SILENCE: Final = 15.0
"""Silence after which a worker is shown as stalled and gets no new work (three heartbeats)."""

STALL_TIMEOUT: Final = 120.0
"""Silence after which a stalled worker is given up."""

START_TIMEOUT: Final = 10.0
"""An assignment not acknowledged by `started` within this time is asked back."""

CANCEL_TIMEOUT: Final = 10.0
"""A cancel waits this long for the worker's receipt."""

RUN_TIMEOUT: Final = 30.0
STREAM_TIMEOUT: Final = 300.0
SESSION_TTL: Final = 3600.0
