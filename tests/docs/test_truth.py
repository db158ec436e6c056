"""What the documents say of the code is what the code says."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import msgspec
import pytest

from farhand.wire.farhand._pb import client_pb2, common_pb2, worker_pb2
from tests.docs.pages import ROOT, anchors, codes, prose, rows, section
from tests.docs.tables import PARTS, current, measure

_ID = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
_MODULE = re.compile(r"farhand(?:\.\w+)+")

ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
GUARANTEES = (ROOT / "GUARANTEES.md").read_text()
LIMITS = (ROOT / "docs/reference/limits.md").read_text()
WIRE = (ROOT / "docs/reference/wire.md").read_text()
MESSAGES = {
    message.name: [field.name for field in message.fields]
    for module in (common_pb2, worker_pb2, client_pb2)
    for message in module.DESCRIPTOR.message_types_by_name.values()
}


def resolve(dotted: str) -> object:
    """What ``farhand.a.b.C.d`` names; a Struct's field stands for its default.

    Raises:
        AttributeError: there is no such thing.
        ImportError: there is no such module.
    """
    parts = dotted.split(".")
    found: object = importlib.import_module(parts[0])
    for at, part in enumerate(parts[1:], 1):
        if isinstance(found, type) and issubclass(found, msgspec.Struct):
            found = {field.name: field.default for field in msgspec.structs.fields(found)}[part]
            continue
        try:
            found = importlib.import_module(".".join(parts[: at + 1]))
        except ModuleNotFoundError:
            found = getattr(found, part)
    return found


def looks_like_a_path(code: str) -> bool:
    """Whether it stands for a file or folder, and not for a media type."""
    named = "/" in code or code.endswith((".py", ".toml", ".md"))
    return named and _PATH.fullmatch(code) is not None and not code.startswith("application/")


def missing(text: str) -> list[str]:
    """Paths and modules that a page names in backticks and that don't exist."""
    gone = []
    for code in codes(text):
        if _MODULE.fullmatch(code):
            try:
                resolve(code)
            except (AttributeError, ImportError, KeyError):
                gone.append(code)
        elif looks_like_a_path(code) and not any((root / code).exists() for root in (ROOT, ROOT / "src/farhand")):
            gone.append(code)
    return gone


def promised(text: str) -> list[tuple[str, str]]:
    """The tests that a page names, as file and function."""
    return [(file, test) for file, test in _ID.findall(text)]


def exists(file: str, test: str) -> bool:
    """Whether a file has a test of this name."""
    path = ROOT / file
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return any(
        isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == test and test.startswith("test_")
        for one in ast.walk(tree)
    )


def test_architecture_fits_a_screen_and_names_what_exists() -> None:
    assert len(ARCHITECTURE.splitlines()) <= 60
    assert missing(ARCHITECTURE) == []


def test_every_room_is_in_the_architecture() -> None:
    named = {code.partition("/")[0] for code in codes(ARCHITECTURE)}
    rooms = {
        path.name
        for path in (ROOT / "src/farhand").iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert rooms - named == set()


@pytest.mark.parametrize("page", ["GLOSSARY.md", "CONTRIBUTING.md", "docs/explanation/sans-io-core.md"])
def test_other_pages_name_what_exists(page: str) -> None:
    made_by_make = {".venv", ".venv-gen", ".venv-compat", ".cache"}
    assert set(missing((ROOT / page).read_text())) - made_by_make == set()


def test_decisions_name_what_exists() -> None:
    for page in (ROOT / "docs/adr").glob("0*.md"):
        assert missing(page.read_text()) == [], page.name


def test_every_test_that_holds_a_promise_exists() -> None:
    assert [f"{file}::{test}" for file, test in promised(GUARANTEES) if not exists(file, test)] == []


def test_every_promise_is_held_by_a_test() -> None:
    heads = re.findall(r"^## (.+)$", GUARANTEES, re.MULTILINE)
    assert heads[-1] == "Not yet"
    assert [head for head in heads[:-1] if not promised(section(GUARANTEES, head))] == []


@pytest.mark.parametrize("part", PARTS)
def test_what_is_read_off_the_code_is_current(part: str) -> None:
    page, made = PARTS[part]
    assert current(page, part) == made(), f"run `.venv/bin/python -m tests.docs.tables` and commit {page}"


def test_the_other_limits_are_the_codes() -> None:
    wrong = []
    for bound, value, where, *_ in (row for row in rows(LIMITS) if len(row) == 4 and row[0] != "bound"):
        found = resolve(where.strip("`"))
        assert isinstance(found, int | float)
        if value not in (measure(found), f"{found:,}"):
            wrong.append(f"{bound}: {value} here, {measure(found)} in {where}")
    assert wrong == []


@pytest.mark.parametrize("message", sorted(anchors(WIRE) & {name.lower() for name in MESSAGES}))
def test_the_wire_page_has_every_field_in_order(message: str) -> None:
    name = next(one for one in MESSAGES if one.lower() == message)
    fields = [row[0].strip("`") for row in rows(section(WIRE, name))]
    assert fields == ["field", *MESSAGES[name]]


def test_the_columns_are_all_explained() -> None:
    assert {"Assignments", "JobEvents", "Calls", "CallEvents"} <= set(re.findall(r"^### (\w+)$", WIRE, re.MULTILINE))


def test_settings_are_on_both_pages() -> None:
    heads, *here = [row[0] for row in rows((ROOT / "docs/reference/settings.md").read_text())]
    there = [row[0] for row in rows((ROOT / "docs/how-to/settings.md").read_text())]
    assert heads == "in farhand.toml"
    assert set(here) <= set(there)


def test_dependencies_each_have_their_line() -> None:
    project = ast.literal_eval(re.search(r"^dependencies = (\[.*?\])", _project(), re.M | re.S)[1])  # type: ignore[index]
    needed = {re.split(r"[<>=;\[]", one)[0] for one in project}
    listed = {row[0].strip("`") for row in rows((ROOT / "docs/adr/0001-dependencies.md").read_text())}
    assert listed - {"package"} == needed


def _project() -> str:
    return (ROOT / "pyproject.toml").read_text()


def test_what_is_wrong_is_found() -> None:
    assert missing("`core/machine.py` `core/nothing.py` `farhand.core.nothing` `docs/` `a word`") == [
        "core/nothing.py",
        "farhand.core.nothing",
    ]
    assert not exists("tests/docs/test_truth.py", "test_nothing")
    assert not exists("tests/docs/test_nothing.py", "test_what_is_wrong_is_found")
    assert exists("tests/docs/test_truth.py", "test_what_is_wrong_is_found")
    assert measure(0.05) == "0.05 s"
    with pytest.raises(KeyError):
        resolve("farhand.core.machine.Limits.nothing")


def test_no_page_speaks_of_what_is_to_be_done() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", prose(page.read_text())), Path(page).name
