"""Settings: flag, else `FARHAND_*` variable, else farhand.toml, else default. Each remembers where it came from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from farhand.errors import FarhandError

T = TypeVar("T")
FILE = "farhand.toml"


class BadSetting(FarhandError):
    """A setting has a value that makes no sense; the message names its source."""

    code = "BAD_SETTING"
    grpc_status = "INVALID_ARGUMENT"
    http_status = 400


class Setting(msgspec.Struct, Generic[T], frozen=True):
    """One setting: its name in farhand.toml, how a text becomes its value, its default, and what it means."""

    name: str
    read: Callable[[Any], T]
    default: T
    doc: str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"FARHAND_{self.name.upper()}"


class Value(msgspec.Struct, Generic[T], frozen=True):
    """A setting's value and its source: "flag", a variable's name, a file's path, or "default"."""

    value: T
    source: str


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that isn't empty is needed")
    return value


def _count(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("1 or more is needed")
    return number


def _seconds(value: Any) -> float:
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError("0 or more seconds are needed")
    return number


HUB = Setting("hub", _text, "localhost:50051", "HOST:PORT of the hub that workers and clients dial")
GRPC = Setting("grpc", _text, "127.0.0.1:50051", "HOST:PORT that a hub listens on; loopback only")
GROUP = Setting("group", _text, "default", "group that a worker serves and a caller asks")
SLOTS = Setting("slots", _count, 32, "jobs a worker takes at once")
PROCESSES = Setting("processes", _count, 1, "worker processes to start")
GRACE = Setting("grace", _seconds, 30.0, "seconds that running work may take to finish at SIGTERM")

SETTINGS: tuple[Setting[Any], ...] = (HUB, GRPC, GROUP, SLOTS, PROCESSES, GRACE)


def resolve(
    setting: Setting[T],
    flag: T | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Value[T]:
    """The setting's value and source.

    Raises:
        BadSetting: the value makes no sense, or farhand.toml can't be read or has an unknown name in it.
    """
    if flag is not None:
        return _read(setting, flag, "flag")
    variables = os.environ if environment is None else environment
    if variables.get(setting.variable):
        return _read(setting, variables[setting.variable], setting.variable)
    path = (folder or Path.cwd()) / FILE
    table = _load(path)
    return (
        _read(setting, table[setting.name], str(path)) if setting.name in table else Value(setting.default, "default")
    )


def _read(setting: Setting[T], raw: Any, source: str) -> Value[T]:
    try:
        return Value(setting.read(raw), source)
    except (TypeError, ValueError) as error:
        raise BadSetting(
            f"{setting.name} = {raw!r} (from {source}) can't be used: {error}; it is {setting.doc}"
        ) from None


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadSetting(f"{path} can't be read: {error}") from None
    known = [setting.name for setting in SETTINGS]
    for name in table:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise BadSetting(
                f"{path} has an unknown setting {name!r}; "
                + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")
            )
    return table
