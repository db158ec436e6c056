"""A hub here and a worker as a child, which starts again when a file of the app changes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.markup import escape

from farhand import config
from farhand.assembly import RunningHub, open_store, serve_hub
from farhand.cli import output, supervisor
from farhand.cli.doors import doors
from farhand.cli.schemas import command
from farhand.cli.serving import ready_line
from farhand.cli.signals import Signals
from farhand.worker.loading import find_file

LOOK_EVERY = 0.2
GRACE = 2.0
"""Seconds that running work may take to finish when a file has changed."""
MOST_FILES = 2_000
"""Files looked at while the app can't be imported, when it isn't known which of them it needs."""
SKIPPED = ("node_modules", "site-packages", "__pycache__")

Stamps = dict[Path, int]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`target` is FILE.py or FILE.py:APP; `address` and `http` are where the hub listens; `flags` go to the
    worker as they are."""

    target: str
    address: str
    http: str | None
    group: str
    flags: Sequence[str] = ()


async def run_dev(options: Options) -> int:
    """Serve until a signal; the exit status.

    Raises:
        AppNotFound: there is no such file.
    """
    file = find_file(options.target.partition(":")[0]).resolve()
    signals = Signals()
    serving = serve_hub(
        options.address,
        store=await open_store("memory:"),
        http=options.http,
        doors=doors(),
    )
    async with await serving as hub:
        output.ready(ready_line(hub))
        dev = _Dev(options, file, hub, signals)
        while not signals.stop.is_set():
            await dev.serve_once()
        await hub.drain(1)
    return signals.status


class _Dev:
    def __init__(self, options: Options, file: Path, hub: RunningHub, signals: Signals) -> None:
        self._options = options
        self._file = file
        self._hub = hub
        self._signals = signals
        self._loaded: set[Path] = set()
        self._said: list[str] = []
        self._announced = False

    async def serve_once(self) -> None:
        """One worker process, from its start to the change of a file that asks for another one."""
        began = time.time_ns()
        self._loaded, self._announced = set(), False
        ours, theirs = os.pipe()
        try:
            # Compiled files go by the second and the size: a quick edit of the same length would be missed.
            environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
            process = await supervisor.start(self._arguments(), tell=theirs, env=environment)
        finally:
            os.close(theirs)
        listening = asyncio.ensure_future(self._listen(ours))
        try:
            changed = await self._watch(process, began)
        finally:
            await supervisor.end(process, self._signals.hurry, GRACE + supervisor.KILL_AFTER)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if changed:
            _say(f"{changed} changed: starting again")

    def _arguments(self) -> list[str]:
        options = self._options
        where = ["--hub", self._hub.address, "--group", options.group]
        return ["worker", options.target, *where, "--processes", "1", "--grace", f"{GRACE:g}", *options.flags]

    async def _listen(self, fd: int) -> None:
        """Learn which modules the worker has loaded, for as long as it says so."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(fd, "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        folder = self._file.parent
        try:
            async for line in reader:
                path = Path(os.fsdecode(line.rstrip(b"\n")))
                if path.is_relative_to(folder):
                    self._loaded.add(path)
        finally:
            transport.close()

    async def _watch(self, process: asyncio.subprocess.Process, began: int) -> str:
        """Wait for a change; the name of what changed, empty where a signal came first."""
        ended, seen = False, self._stamps(all_files=False)
        while not await self._stopped_within(LOOK_EVERY):
            if not self._announced:
                self._announce(process.pid)
            if process.returncode is not None and not ended:
                ended = True
                known = self._stamps(all_files=True)
                seen = {path: at for path, at in known.items() if at < began} | seen
                _say(f"the worker {supervisor.how_it_ended(process.returncode)}; it starts again when a file changes")
            now = self._stamps(all_files=ended)
            changed = _changed(seen, now, began, ended)
            if changed is None:
                seen = now
                continue
            while now != (now := self._stamps(all_files=ended)):  # an editor may write in several steps
                if await self._stopped_within(LOOK_EVERY):
                    break
            return self._name(changed)
        return ""

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._signals.stop.wait()
        except TimeoutError:
            return False
        return True

    def _announce(self, pid: int) -> None:
        """Once the worker is in, say how its handlers are called, where that is news."""
        workers = [view.info for view in self._hub.hub.workers() if view.info.pid == pid]
        if not workers:
            return
        self._announced = True
        hub = "" if _is_default(self._hub.address) else self._hub.address
        lines = [command(spec, group=self._options.group, hub=hub) for spec in workers[0].handlers]
        if lines != self._said:
            self._said = lines
            output.ready("\n".join(["try, in another terminal:", *(f"  {line}" for line in lines)]))

    def _stamps(self, *, all_files: bool) -> Stamps:
        """When each file that matters was last written; one that isn't there has no stamp."""
        paths = {self._file, config.file_of().resolve(), *self._loaded}
        if all_files:
            paths.update(_python_files(self._file.parent))
        found = {}
        for path in paths:
            try:
                found[path] = path.stat().st_mtime_ns
            except OSError:
                continue
        return found

    def _name(self, path: Path) -> str:
        folder = self._file.parent
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _changed(seen: Stamps, now: Stamps, began: int, ended: bool) -> Path | None:
    """A file that was written, came or went. One that is only now known to matter has changed if it was written after
    the worker began; while the worker is gone, any new file may be what it lacked."""
    for path in seen.keys() | now.keys():
        before, after = seen.get(path), now.get(path)
        if before == after:
            continue
        if before is None and not ended and after is not None and after < began:
            continue
        return path
    return None


def _python_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, without hidden folders and installed packages; not more than a few thousand."""
    found = 0
    for where, folders, files in os.walk(folder):
        folders[:] = [
            one
            for one in folders
            if not one.startswith(".")
            and one not in SKIPPED
            and not os.path.exists(os.path.join(where, one, "pyvenv.cfg"))
        ]
        for name in files:
            if name.endswith(".py"):
                yield Path(where, name)
                found += 1
        if found > MOST_FILES:
            return


def _is_default(address: str) -> bool:
    """Whether the command dials this address by itself."""
    dialled = config.resolve(config.HUB, environment={}).value
    return address.replace("localhost", "127.0.0.1") == dialled.replace("localhost", "127.0.0.1")


def _say(text: str) -> None:
    output.stderr.print(f"[dim]{escape(text)}[/]", soft_wrap=True)
