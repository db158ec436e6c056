"""A worker process below another one: the command, which also ends when the process that started it is gone."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
import threading
import time
from pathlib import Path

_STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]
LOOK_EVERY = 1.0
TELL_EVERY = 0.3


def _watch(parent: int) -> None:
    """Drain when the parent is gone: this process is then somebody else's child."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(fd: int) -> None:
    """Write the path of each module that is loaded from outside the installation, a line each, as they are loaded."""
    told: set[str] = set()
    while True:
        found = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
        fresh = [path for path in found - told if path.endswith(".py") and not _is_installed(path)]
        told |= found
        try:
            os.write(fd, "".join(f"{Path(path).resolve()}\n" for path in fresh).encode())
        except OSError:
            return  # nobody reads any more
        time.sleep(TELL_EVERY)


def _is_installed(path: str) -> bool:
    return "site-packages" in path or "dist-packages" in path or path.startswith(_STANDARD_LIBRARY)


def main() -> None:
    """``python -m farhand.cli.child PARENT_PID TELL_FD ARGUMENT…``; TELL_FD is -1 where nobody wants to know which
    modules are loaded."""
    parent, tell = int(sys.argv[1]), int(sys.argv[2])
    sys.argv[1:] = sys.argv[3:]
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if tell >= 0:
        threading.Thread(target=_tell, args=(tell,), daemon=True).start()
    from farhand.cli import main as command

    command()


if __name__ == "__main__":
    main()
