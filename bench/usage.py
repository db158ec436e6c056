"""What another process uses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def memory(pid: int) -> int:
    """Bytes of memory resident now."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except FileNotFoundError:
        return int(_ps(pid, "rss")) * 1024
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def cpu(pid: int) -> float:
    """Seconds of CPU used so far, by all its threads, in user and system mode."""
    try:
        # The name, in parentheses, may hold anything; what follows doesn't.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return _seconds(_ps(pid, "time"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ps(pid: int, what: str) -> str:
    return subprocess.run(
        ["ps", "-o", f"{what}=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout.strip()


def _seconds(clock: str) -> float:
    total = 0.0
    for part in clock.replace("-", ":").split(":"):
        total = total * 60 + float(part)
    return total
