"""One hub with one worker for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the hub answers."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("serving.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield next(line.split()[1] for line in process.stdout if line.startswith("address "))
        process.stdin.close()
        process.wait(20)
