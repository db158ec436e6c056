"""A plugin's process, which sends so many observations to an AI server and tells what it and the server have open.
Arguments: HOST:PORT, PID of the server, how many."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from farhand.kits.nextflow import send_task_observation

IN_FLIGHT = 64


def held(pid: str) -> dict[str, int]:
    """File descriptors, and KiB of memory, that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return {"files": len(list(Path(f"/proc/{pid}/fd").iterdir())), "memory": int(line.split()[1])}


def send(address: str, first: int, count: int) -> None:
    """Send so many, 64 at a time."""
    for begin in range(first, first + count, IN_FLIGHT):
        numbers = range(begin, min(begin + IN_FLIGHT, first + count))
        sent = [send_task_observation({"event_id": str(n), "task_name": f"task {n}"}, address) for n in numbers]
        for number, future in zip(numbers, sent, strict=True):
            assert future.result(60).observation_event_id == str(number)


def main(address: str, server: str, count: int) -> None:
    """Send a tenth, look, send the rest, look again."""
    warm = count // 10
    send(address, 0, warm)
    before = {"sender": held("self"), "server": held(server)}
    send(address, warm, count - warm)
    after = {"sender": held("self"), "server": held(server)}
    print(json.dumps({"before": before, "after": after}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
