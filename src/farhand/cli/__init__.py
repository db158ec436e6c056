"""The `farhand` command: thin verbs over assembly, worker and client. Heavy imports happen inside the verbs.

Results go to stdout, everything else to stderr. Exit status: 0, 1 failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its errors come as ours
    from farhand.cli.app import run_app

    run_app()
