"""gRPC options of everyone who dials a hub, and of who is dialled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farhand.model.limits import MESSAGE_LIMIT, READ_AHEAD

DIAL_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", READ_AHEAD),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
"""A dead peer is noticed within 15 s. Redialling is ours to time, with full jitter, so gRPC's own stays short, and
a new channel doesn't wait for the one before: they share nothing."""

SERVE_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", READ_AHEAD),
    ("grpc.max_concurrent_streams", 250),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),  # without it a dead peer is noticed after 70 s, whatever keepalive says
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]


def serve_options(receive: Sequence[int] = ()) -> list[tuple[str, Any]]:
    """The options of a server with methods that take messages of so many bytes, and answer without a limit of gRPC's:
    each front bounds what it answers."""
    if not receive:
        return SERVE_OPTIONS
    wider = {"grpc.max_receive_message_length": max(MESSAGE_LIMIT, *receive), "grpc.max_send_message_length": -1}
    return list({**dict(SERVE_OPTIONS), **wider}.items())
