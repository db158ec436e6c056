"""hello_world: the job that shows that everything is in place."""

from __future__ import annotations

import time
from typing import Any

from farhand.kits.devaria.handlers import Heartbeat, JobHandler

LONGEST = 300
"""Seconds that it may be told to take."""
BEAT_EVERY = 30.0


class HelloWorld(JobHandler):
    """Greet `name`, a text, after `processing_time` seconds, 0 to 300."""

    def execute(self, input_params: dict[str, Any], heartbeat_callback: Heartbeat) -> dict[str, Any]:
        """As `JobHandler.execute`; a heartbeat each 30 seconds.

        Raises:
            ValueError: a parameter is missing or wrong.
        """
        name, seconds = _checked(input_params)
        lines: list[str] = []

        def say(text: str) -> str:
            lines.append(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {text}")
            return "\n".join(lines)

        say(f"Starting hello_world job for {name}")
        say(f"Processing time: {seconds} seconds")
        began = time.monotonic()
        beat_at = began + BEAT_EVERY
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(left, max(0.0, beat_at - time.monotonic())))
            if (now := time.monotonic()) >= beat_at and now < began + seconds:
                beat_at += BEAT_EVERY
                done = int(now - began)
                heartbeat_callback(
                    progress_current=done,
                    progress_total=int(seconds),
                    console_output=say(f"Progress: {int(100 * (now - began) / seconds)}%"),
                )
        return {"message": f"Hello, {name}!", "processing_time": seconds, "console_output": say("Completed!")}


def _checked(given: dict[str, Any]) -> tuple[str, int | float]:
    for needed in ("name", "processing_time"):
        if needed not in given:
            raise ValueError(f"Missing required parameter: '{needed}'")
    name, seconds = given["name"], given["processing_time"]
    if not isinstance(name, str):
        raise ValueError(f"Parameter 'name' must be a string, not {type(name).__name__}")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"Parameter 'processing_time' must be a number, not {type(seconds).__name__}")
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"Parameter 'processing_time' must be 0 to {LONGEST} seconds, not {seconds}")
    return name, seconds
