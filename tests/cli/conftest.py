"""One hub and worker for the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.processes import served


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """The address of a hub whose worker serves the quickstart."""
    with served("examples/quickstart.py") as address:
        yield address
