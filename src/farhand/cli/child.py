"""A supervised worker process: the command, which also ends when its supervisor is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

LOOK_EVERY = 1.0


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """``python -m farhand.cli.child PARENT_PID ARGUMENT…``."""
    parent = int(sys.argv[1])
    sys.argv[1:] = sys.argv[2:]
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    from farhand.cli import main as command

    command()


if __name__ == "__main__":
    main()
