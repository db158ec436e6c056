"""Texts that go into HTTP/2 trailers, which peers bound."""

from __future__ import annotations

MESSAGE_LIMIT = 1024
"""Bytes that a status's message may take, so that with its details it stays under 8 KiB, which peers bound trailers to
by default."""


def brief(text: str) -> str:
    """`text`, cut to what takes 1 KiB in a header, where each byte of what isn't plain ASCII takes three."""
    size = 0
    for at, char in enumerate(text):
        size += 1 if " " <= char <= "~" else 3 * len(char.encode(errors="replace"))
        if size > MESSAGE_LIMIT:
            return f"{text[:at]}…"
    return text
