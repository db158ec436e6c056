"""devaria-runner: a process that pulls jobs, with its two files in the current folder."""

from __future__ import annotations

import logging
import os
import socket
import sys
import uuid
from pathlib import Path

import msgspec

from farhand.assembly import build_puller, run_process
from farhand.cli import output
from farhand.errors import FarhandError
from farhand.worker.app import App
from farhand.worker.puller import PullOptions

IDENTITY = Path(".devaria_runner.json")
LOG = Path("devaria_runner.log")


class Known(msgspec.Struct):
    """What the identity file says."""

    runner_id: str = ""
    runner_name: str = ""


def run_runner(target: str, url: str, key: str, slots: int) -> int:
    """Pull and run jobs until a signal; the exit status."""
    log = _logging()
    if not key:
        log.error("DEVARIA_RUNNER_API_KEY environment variable is not set: export the runner key of %s", url)
        return 1
    try:
        app = _app(target)
    except FarhandError:
        raise
    except Exception as error:
        output.show_crash(f"{target} can't be imported: correct what the traceback shows", error)
        return 1
    known = _known()
    options = PullOptions(
        url=url,
        key=key,
        id=known.runner_id,
        name=known.runner_name,
        slots=slots,
        reference=target,
    )
    log.info("Starting runner %s at %s for %s", known.runner_name, url, ", ".join(app.handlers))
    puller = build_puller(app, options, lambda id: _remember(Known(id, known.runner_name)))
    try:
        return run_process(puller.run_with_signals())
    except FarhandError as error:
        log.error("%s", error.message)
        return 1


def _app(target: str) -> App:
    from farhand.kits.devaria import JOB_HANDLERS, app_of, load_app

    return load_app(target) if target else app_of(JOB_HANDLERS)


def _known() -> Known:
    """Who this runner was before, or a new name."""
    try:
        known = msgspec.json.decode(IDENTITY.read_bytes(), type=Known)
    except (OSError, msgspec.MsgspecError, ValueError):
        known = Known()
    if not known.runner_name:
        known = Known("", f"runner-{socket.gethostname()[:60]}-{uuid.uuid4().hex[:8]}")
    return known


def _remember(known: Known) -> None:
    """Write the identity file, whole or not at all."""
    new = IDENTITY.with_name(f"{IDENTITY.name}.{os.getpid()}")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(known)))
    new.replace(IDENTITY)


def _logging() -> logging.Logger:
    """A logger that writes to stdout and to the log file."""
    log = logging.getLogger("farhand.devaria")
    log.setLevel(logging.INFO)
    log.propagate = False
    form = logging.Formatter("[%(asctime)s] %(levelname)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    for handler in (logging.StreamHandler(sys.stdout), logging.FileHandler(LOG, encoding="utf-8")):
        handler.setFormatter(form)
        log.addHandler(handler)
    return log
