"""Where a job's answer goes: to stdout as JSON, its files to where `--out` says, and none of them over a terminal."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from farhand.cli import output
from farhand.cli.output import Usage
from farhand.errors import OutOfSpace
from farhand.wire.codecs.files import File
from farhand.wire.values import to_json

SHOWN = 1024
"""Bytes of a file or of bytes that a terminal shows as base64; of larger ones only what they are."""


class Out:
    """One call's answers. `path` as `--out` has it: empty, a file, or a folder, which `folder` says that it must be."""

    def __init__(self, path: str, *, folder: bool = False) -> None:
        """Make the folder, or see that the file can be there, before anything runs.

        Raises:
            Usage: neither can be.
        """
        self._told = False
        self._names: set[str] = set()
        self._file = self._folder = None
        if path and (folder or path.endswith("/") or Path(path).is_dir()):
            self._folder = Path(path)
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Usage(f"--out {path} is to be a folder: {error.strerror}") from None
        elif path:
            self._file = Path(path)
            if not self._file.parent.is_dir():
                raise Usage(f"--out {path}: there is no folder {self._file.parent}")

    def line(self, value: Any) -> None:
        """A value as a line on stdout, with its files in the folder, if there is one.

        Raises:
            OutOfSpace: the disk is full.
            Usage: a file can't be written.
        """
        output.print_json(self._aside(value, output.for_a_person()))

    def result(self, value: Any) -> None:
        """As `line`; or, where a file is named, a file or bytes as they are into that, all else as JSON.

        Raises:
            OutOfSpace, Usage: as `line`.
        """
        if self._file is None:
            self.line(value)
        elif isinstance(value, File):
            _save(value, self._file)
        else:
            data = value if isinstance(value, bytes | bytearray | memoryview) else to_json(value) + b"\n"
            _save(File.of(data, self._file.name), self._file)

    def _aside(self, value: Any, person: bool) -> Any:
        """The value with something shorter in the place of what a folder has, or a person can't read."""
        if isinstance(value, dict):
            return {key: self._aside(one, person) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._aside(one, person) for one in value]
        if isinstance(value, File):
            what = {"name": value.name, "media": value.media, "size": value.size}
            if self._folder is not None:
                return {**what, "path": str(_save(value, self._folder / self._own(value.name)))}
            return self._told_of(what) if person and value.size > SHOWN else value
        if person and isinstance(value, bytes | bytearray | memoryview) and len(value) > SHOWN:
            return self._told_of({"bytes": len(value)})
        return value

    def _own(self, name: str) -> str:
        """A name that none before it had."""
        path, number = Path(name), 1
        while name in self._names:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        self._names.add(name)
        return name

    def _told_of(self, what: dict[str, Any]) -> dict[str, Any]:
        if not self._told:
            self._told = True
            output.stderr.print("[dim]files aren't shown on a terminal: --out PATH keeps them[/]", soft_wrap=True)
        return what


def _save(file: File, path: Path) -> Path:
    try:
        return file.save(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(f"there is no room for {path}, {file.size:,} bytes: {error.strerror}") from None
        raise Usage(f"{path} can't be written: {error.strerror}") from None
