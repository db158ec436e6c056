"""An AI server with the default policy. Argument: its port."""

from __future__ import annotations

import asyncio
import sys
import tempfile

from bench.roles.obeying import until_told
from farhand.kits.nextflow import AiServer


def main(port: int) -> None:
    """Serve until told to stop."""
    with tempfile.NamedTemporaryFile(prefix="farhand-bench") as log, AiServer(port=port, log_file=log.name):
        asyncio.run(until_told())


if __name__ == "__main__":
    main(int(sys.argv[1]))
