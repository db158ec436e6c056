"""Where in a folder blobs are, and what is said when the disk refuses.

``kept/a/bc/ID`` are whole blobs, each with its seal at the end, in folders by the SHA-256 of their ids; ``incoming``
has what is being written, each file locked by its writer, so that another hub on the same folder tells it from what a
dead one left.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from farhand.errors import FarhandError, OutOfSpace, Overloaded, RefNotFound, Unavailable
from farhand.model.blob import SEAL_SIZE, Blob, unsealed

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_HEX = "0123456789abcdef"


class Layout:
    """The paths below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self._kept = root / "kept"

    def prepare(self) -> None:
        """Make what is missing, for this user only, and remove what dead writers left.

        Raises:
            OutOfSpace: there is no room even for a folder.
            Unavailable: it can't be written.
        """
        with self.told():
            for folder in (self.root, self._kept, self.incoming):
                folder.mkdir(mode=0o700, parents=folder is self.root, exist_ok=True)
            for path in self.incoming.iterdir():
                _remove_if_orphan(path)

    def path(self, id: str) -> Path:
        """Where the blob is or will be."""
        digest = sha256(id.encode()).hexdigest()
        return self._kept / digest[0] / digest[1:3] / id

    def make_folders(self, path: Path) -> None:
        """Make the folders above a blob's path, durably."""
        for folder in (path.parent.parent, path.parent):
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            sync_folder(folder.parent)

    def names(self) -> Iterator[str]:
        """The ids of all blobs, in no order."""
        for first in _HEX:
            for folder in _entries(self._kept / first):
                yield from (name for name in _entries(self._kept / first / folder) if _NAME.fullmatch(name))

    def new_file(self, id: str) -> tuple[int, Path]:
        """A new, locked file in `incoming`, open for writing."""
        while True:
            path = self.incoming / f"{id[:64]}.{token_hex(8)}"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:
                    return fd, path
            except BlockingIOError:
                pass  # a hub that starts looks whether it is an orphan, and removes it
            except BaseException:
                os.close(fd)
                path.unlink(missing_ok=True)
                raise
            os.close(fd)

    @contextlib.contextmanager
    def told(self, id: str = "") -> Iterator[None]:
        """Turn the system's errors into farhand's."""
        try:
            yield
        except OSError as error:
            raise self._failure(error, id) from None

    def _failure(self, error: OSError, id: str) -> FarhandError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutOfSpace(
                f"the disk of the blob store {self.root} is full: delete what isn't needed there, or start the hub "
                "with --blobs on another disk, then retry"
            )
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return Overloaded("too many files are open in the hub: retry, or raise its limit (ulimit -n)")
        if id and error.errno in (errno.ENOENT, errno.ESTALE):
            return RefNotFound(f"there is no blob {id}: it was deleted, or never kept")
        why = error.strerror or str(error)
        return Unavailable(f"the blob store {self.root} failed: {why}. Correct that, or name another with --blobs")


def sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_sealed(path: Path, id: str) -> tuple[int, Blob]:
    """The open file of a blob, and the blob.

    Raises:
        DataDamaged: it isn't whole.
        OSError: it can't be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        found = os.fstat(fd)
        end = os.pread(fd, SEAL_SIZE, max(0, found.st_size - SEAL_SIZE))
        return fd, Blob(id, *unsealed(id, found.st_size, end), found.st_mtime)
    except BaseException:
        os.close(fd)
        raise


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_if_orphan(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return  # its writer lives
    finally:
        os.close(fd)
