"""Settings: flag, else `FARHAND_*` variable, else farhand.toml, else default. Each remembers where it came from."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from farhand.errors import FarhandError, InvalidArguments
from farhand.model.names import check_name
from farhand.model.urls import shown

T = TypeVar("T")
FILE = "farhand.toml"
FILE_VARIABLE = "FARHAND_CONFIG"
"""Names another file than farhand.toml in the current folder; ``--config`` sets it."""

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("console", "json")
OFF = "off"
"""In place of an address that a hub listens on: it doesn't."""


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
    named: str = ""
    """Its environment variable, where that isn't ``FARHAND_`` and its name."""
    secret: bool = False
    """Its value is shown to nobody."""

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return self.named or f"FARHAND_{self.name.upper()}"


class Value(msgspec.Struct, Generic[T], frozen=True):
    """A setting's value and its source: "flag", a variable's name, a file's path, or "default"."""

    value: T
    source: str


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that isn't empty is needed")
    return value


def _count(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, str) and value.isascii() and value.isdigit()):
        raise ValueError("a whole number is needed")
    if int(value) < 1:
        raise ValueError("1 or more is needed")
    return int(value)


def _bound(value: Any) -> int:
    return 0 if value in (0, "0") and not isinstance(value, bool) else _count(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("a number of seconds is needed") from None


def _seconds(value: Any) -> float:
    number = _number(value)
    if not 0 <= number < float("inf"):
        raise ValueError("0 or more seconds are needed")
    return number


def _address(value: Any, least: int = 1) -> str:
    host, _, port = _text(value).rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not least <= int(port) <= 65535:
        raise ValueError("a host, a colon and a port are needed, as in 127.0.0.1:50051")
    return str(value)


def _listening_address(value: Any) -> str:
    return _address(value, least=0)


def _http_address(value: Any) -> str:
    return OFF if value == OFF else _address(value, least=0)


def _group(value: Any) -> str:
    try:
        return check_name("group", _text(value))
    except InvalidArguments as error:
        raise ValueError(str(error)) from None


def _handler(value: Any) -> str:
    if value == "":
        return ""
    try:
        return check_name("handler", _text(value))
    except InvalidArguments as error:
        raise ValueError(str(error)) from None


def _limit(value: Any) -> float | None:
    return None if value is None else _lasting(value)


def _lasting(value: Any) -> float:
    number = _number(value)
    if not 0 < number < float("inf"):
        raise ValueError("more than 0 seconds are needed")
    return number


def _place(value: Any) -> str | None:
    return None if value is None else _text(value)


def _lease(value: Any) -> float:
    number = _number(value)
    if not 1 <= number <= 3600:
        raise ValueError("1 to 3600 seconds are needed")
    return number


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{unit}i": 2 ** (10 * power) for power, unit in enumerate("kmgt", 1)}


def _size(value: Any) -> int:
    """Bytes, as a whole number or as ``20GiB``, ``500 MB``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = re.fullmatch(r"(\d{1,12})\s*([kmgt]?i?)b?", str(value).strip().lower())
    if found is None or found[2] not in _UNITS:
        raise ValueError("a number of bytes is needed, as in 20GiB or 500MB")
    return int(found[1]) * _UNITS[found[2]]


def _hosts(value: Any) -> str | None:
    if value is None:
        return None
    names = _text(value)
    if not all(re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,253}", one.strip()) for one in names.split(",")):
        raise ValueError("hosts with commas between them are needed")
    return names


def _message(value: Any) -> int:
    size = _size(value)
    if not 4 * 2**20 <= size <= 2**31:
        raise ValueError("4MiB to 2GiB are needed")
    return min(size, 2**31 - 1)


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            near = get_close_matches(str(value).lower(), words, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"one of {', '.join(words)} is needed{hint}")
        return str(value)

    return read


HUB = Setting("hub", _address, "localhost:50051", "HOST:PORT of the hub that workers and clients dial")
GRPC = Setting("grpc", _listening_address, "127.0.0.1:50051", "HOST:PORT that a hub listens on; loopback only")
HTTP = Setting(
    "http", _http_address, "127.0.0.1:8080", "HOST:PORT that a hub serves HTTP on, loopback only; off for not at all"
)
GROUP = Setting("group", _group, "default", "group that a worker serves and a caller asks")
SLOTS = Setting("slots", _count, 32, "jobs a worker takes at once")
PROCESSES = Setting("processes", _count, 1, "worker processes to start")
GRACE = Setting("grace", _seconds, 30.0, "seconds that running work may take to finish at SIGTERM")
STORE = Setting("store", _text, "sqlite:///farhand.db", "URL of the store where a hub keeps durable jobs")
LEASE = Setting("lease", _lease, 30.0, "seconds after which a durable job whose worker or hub is lost is tried again")
KEEP = Setting("keep", _bound, 1_000_000, "newest ended durable jobs kept of a handler that doesn't say; 0 for all")
KEEP_FOR = Setting(
    "keep_for", _seconds, 30 * 86_400.0, "seconds an ended durable job of such a handler is kept; 0 for ever"
)
BLOBS: Setting[str | None] = Setting(
    "blobs",
    _place,
    None,
    "URL where a hub keeps large payloads: file:///FOLDER, s3://BUCKET/PREFIX, or memory:; by default beside the store",
)
BLOB_BUDGET: Setting[Any] = Setting(
    "blob_budget", _size, 0, "bytes that large payloads of durable jobs may take, as in 20GiB; 0 for no bound"
)
NEXTFLOW_POLICY = Setting(
    "nextflow_policy", _handler, "", "handler that decides what a hub answers Nextflow; by default it only confirms"
)
AGNT_TIMEOUT: Setting[Any] = Setting(
    "agnt_timeout", _limit, 300.0, "seconds that a command for database agents (`SendCommand`) may take"
)
AGNT_SLOTS = Setting("agnt_slots", _count, 32, "commands that one database agent is given at once")
AGNT_RESULT = Setting(
    "agnt_result",
    _message,
    4 * 1024 * 1024,
    "bytes that one answer of a database agent may take, 4MiB to 2GiB; the hub then takes such messages of anyone",
)
TIMEOUT: Setting[float | None] = Setting(
    "timeout", _limit, None, "seconds until a call is given up; by default 30 for run and 300 for stream"
)
SQL_MAX_ROWS = Setting("sql_max_rows", _count, 10_000_000, "rows that one query of a worker beside databases may give")
SQL_MAX_BYTES: Setting[Any] = Setting(
    "sql_max_bytes", _size, 4 * 1024**3, "bytes of rows that such a query may give, as in 4GiB"
)
SQL_TIMEOUT = Setting("sql_timeout", _lasting, 300.0, "seconds that such a query may take, to its last row")
LOG_LEVEL = Setting("log_level", _one_of(*LEVELS), "info", "least of what is logged: debug, info, warning or error")
LOG_FORMAT = Setting("log_format", _one_of(*FORMATS), "console", "form of the log: console, or json lines")
_FOR_DEVARIA = "key that {} of Devaria's jobs show; none lets none of them in"
DEVARIA_SUBMIT_KEY: Setting[str | None] = Setting(
    "devaria_submit_api_key",
    _place,
    None,
    _FOR_DEVARIA.format("submitters"),
    named="DEVARIA_SUBMIT_API_KEY",
    secret=True,
)
DEVARIA_RUNNER_KEY: Setting[str | None] = Setting(
    "devaria_runner_api_key",
    _place,
    None,
    _FOR_DEVARIA.format("runners"),
    named="DEVARIA_RUNNER_API_KEY",
    secret=True,
)
DEVARIA_ADMIN_KEY: Setting[str | None] = Setting(
    "devaria_admin_api_key",
    _place,
    None,
    _FOR_DEVARIA.format("administrators"),
    named="DEVARIA_ADMIN_API_KEY",
    secret=True,
)
DEVARIA_URL = Setting(
    "devaria_worker_url",
    _text,
    "http://127.0.0.1:8080",
    "URL that `farhand devaria-runner` pulls jobs from",
    named="DEVARIA_WORKER_URL",
)
DEVARIA_GROUP = Setting("devaria_group", _group, "devaria", "group that Devaria's jobs are for")
DEVARIA_LEASE = Setting(
    "devaria_lease", _lease, 90.0, "seconds without a heartbeat after which a pull runner's job is given back"
)
DEVARIA_SUBMIT_RATE = Setting(
    "devaria_submit_rate", _bound, 10, "checks and submits of Devaria's that an address may make a minute; 0 for any"
)
DEVARIA_STATUS_RATE = Setting(
    "devaria_status_rate", _bound, 60, "status requests of Devaria's that an address may make a minute; 0 for any"
)
DEVARIA_RUNNER_RATE = Setting(
    "devaria_runner_rate", _bound, 120, "requests that a pull runner may make a minute; 0 for any"
)
DEVARIA_PAGE_HOSTS: Setting[str | None] = Setting(
    "devaria_page_hosts",
    _hosts,
    None,
    "hosts of figpack pages, with commas between, that are asked though their addresses are not public",
)

SETTINGS: tuple[Setting[Any], ...] = (
    HUB,
    GRPC,
    HTTP,
    STORE,
    LEASE,
    KEEP,
    KEEP_FOR,
    BLOBS,
    BLOB_BUDGET,
    NEXTFLOW_POLICY,
    AGNT_TIMEOUT,
    AGNT_SLOTS,
    AGNT_RESULT,
    GROUP,
    SLOTS,
    PROCESSES,
    GRACE,
    TIMEOUT,
    SQL_MAX_ROWS,
    SQL_MAX_BYTES,
    SQL_TIMEOUT,
    DEVARIA_SUBMIT_KEY,
    DEVARIA_RUNNER_KEY,
    DEVARIA_ADMIN_KEY,
    DEVARIA_URL,
    DEVARIA_GROUP,
    DEVARIA_LEASE,
    DEVARIA_SUBMIT_RATE,
    DEVARIA_STATUS_RATE,
    DEVARIA_RUNNER_RATE,
    DEVARIA_PAGE_HOSTS,
    LOG_LEVEL,
    LOG_FORMAT,
)


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
    path = file_of(variables, folder)
    table = _load(path)
    return (
        _read(setting, table[setting.name], str(path)) if setting.name in table else Value(setting.default, "default")
    )


def file_of(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Path:
    """The settings file: the one that ``FARHAND_CONFIG`` names, else farhand.toml in `folder` (the current one).

    Raises:
        BadSetting: ``FARHAND_CONFIG`` names a file that isn't there.
    """
    named = (os.environ if environment is None else environment).get(FILE_VARIABLE)
    if not named:
        return (folder or Path.cwd()) / FILE
    if not Path(named).is_file():
        raise BadSetting(f"there is no settings file {named}, which --config or {FILE_VARIABLE} names")
    return Path(named)


def _read(setting: Setting[T], raw: Any, source: str) -> Value[T]:
    try:
        return Value(setting.read(raw), source)
    except (TypeError, ValueError) as error:
        raise BadSetting(
            f"{setting.name} = {_shown(raw)!r} (from {source}) can't be used: {error}; it is {setting.doc}"
        ) from None


def _shown(raw: Any) -> Any:
    return shown(raw) if isinstance(raw, str) else raw


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
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
