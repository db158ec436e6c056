"""The parts of the reference pages that are read off the code. `python -m tests.docs.tables` writes them anew.

Each stands between ``<!-- from the code: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import typer

from farhand import config, errors
from farhand.cli.app import app
from farhand.core import lifecycle
from farhand.model import limits
from farhand.worker.loading import AppNotFound
from tests.docs.pages import ROOT

_PART = re.compile(r"(<!-- from the code: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def commands() -> dict[str, Any]:
    """The command's verbs by name, as the parser knows them; the command itself under the empty name."""
    whole: Any = typer.main.get_command(app)
    found = {"": whole, **whole.commands}
    for verb, command in whole.commands.items():
        found |= {f"{verb} {name}": one for name, one in getattr(command, "commands", {}).items()}
    return found


def _table(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    found = [heads, ["---"] * len(heads), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in found)


def _in_a_line(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split()).replace("``", "`")


def errors_table() -> str:
    """Every error: class, code, both statuses, whether a retry is safe, and what its docstring says."""
    every: list[type[errors.FarhandError]] = [*errors.BY_CODE.values(), config.BadSetting, AppNotFound]
    return _table(
        ("class", "code", "gRPC status", "HTTP", "retryable", "what happened, what to do"),
        (
            (
                f"`{one.__name__}`",
                f"`{one.code}`",
                f"`{one.grpc_status}`",
                str(one.http_status),
                "yes" if one.retryable else "no",
                _in_a_line(one.__doc__),
            )
            for one in every
        ),
    )


def settings_table() -> str:
    """Every setting."""
    return _table(
        ("in farhand.toml", "variable", "default", "what it is"),
        (
            (f"`{one.name}`", f"`{one.variable}`", "" if one.default in (None, "") else f"`{one.default}`", one.doc)
            for one in config.SETTINGS
        ),
    )


TUNED = {"ENTRIES"}
"""What is there for speed alone, and may change with any measurement."""

UNSAID = {
    "RUN_TIMEOUT": "Deadline of `run` and `map` where the caller gives none.",
    "STREAM_TIMEOUT": "Deadline of `stream` where the caller gives none.",
    "SESSION_TTL": "Seconds without a call after which a session closes, where the caller gives none.",
}


def limits_table() -> str:
    """Every bound in model/limits.py, with the text that stands under it there."""
    lines: dict[str, str] = {}
    last = ""
    for one in ast.parse(inspect.getsource(limits)).body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            last = one.target.id
            lines[last] = UNSAID.get(last, "")
        elif last and isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
            lines[last] = _in_a_line(str(one.value.value))
            last = ""
    kept = {name: text for name, text in lines.items() if name not in TUNED}
    found = ((f"`{name}`", measure(getattr(limits, name)), text) for name, text in kept.items())
    return _table(("name", "value", "what it bounds"), found)


def measure(value: float) -> str:
    """A limit as the pages write it: floats are seconds, and round numbers of bytes are in KiB or MiB."""
    if isinstance(value, float):
        return f"{value:g} s"
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value:,}"


def diagram() -> str:
    """The lifecycle as Mermaid."""
    return f"```mermaid\n{lifecycle.diagram()}\n```\n"


def command_reference() -> str:
    """Every verb with its arguments and flags."""
    found = []
    for verb, command in commands().items():
        options = [one for one in command.params if one.opts[0].startswith("-")]
        arguments = [one for one in command.params if one not in options]
        usage = " ".join(["farhand", verb, *[one.metavar or str(one.name).upper() for one in arguments]])
        found.append(f"### farhand{verb and ' '}{verb}\n\n{_in_a_line(inspect.cleandoc(command.help or ''))}\n")
        if verb:
            found.append(f"```text\n{usage}{' [flags]' if options else ''}\n```\n")
        if options:
            found.append(_table(("flag", "what it does"), ((_flag(one), _in_a_line(one.help)) for one in options)))
    return "\n".join(found)


def _flag(option: Any) -> str:
    shown = ", ".join([*option.opts, *option.secondary_opts])
    return f"`{shown}`" if option.is_flag else f"`{shown} {option.metavar or str(option.name).upper()}`"


def routes() -> str:
    """Every route of the HTTP API."""
    from litestar.handlers import HTTPRouteHandler

    from farhand.fronts.http.server import ROUTES

    every: list[HTTPRouteHandler] = list(ROUTES)
    lines = []
    for one in every:
        answers = sorted({one.status_code, *(one.responses or {})})
        method = "/".join(sorted(one.http_methods))
        (path,) = one.paths
        shown = re.sub(r":str}", "}", path)
        lines.append((f"`{method} {shown}`", one.summary or "", ", ".join(map(str, answers))))
    return _table(("route", "what it does", "statuses"), lines)


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "errors": ("docs/reference/errors.md", errors_table),
    "settings": ("docs/reference/settings.md", settings_table),
    "limits": ("docs/reference/limits.md", limits_table),
    "lifecycle": ("docs/reference/lifecycle.md", diagram),
    "http": ("docs/reference/http.md", routes),
    "command": ("docs/reference/cli.md", command_reference),
}


def current(page: str, part: str) -> str:
    """What a page has for a part."""
    for _, name, body, _ in _PART.findall((ROOT / page).read_text()):
        if name == part:
            return str(body)
    raise AssertionError(f"{page} has no part {part!r}")


def write() -> None:
    """Write every part into its page."""
    for page, made in PARTS.values():
        path = ROOT / page
        path.write_text(
            _PART.sub(
                lambda found, made=made, page=page: (  # type: ignore[misc]
                    f"{found[1]}{made()}{found[4]}" if PARTS[found[2]] == (page, made) else found[0]
                ),
                path.read_text(),
            )
        )


if __name__ == "__main__":
    write()
