"""MODULE:APP, FILE.py and FILE.py:APP, and what is said when there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farhand.worker.loading import AppNotFound, find_file, load_app

APP = "import farhand\napp = farhand.App()\nother = farhand.App()\nnumber = 3\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with an app in a file and one in a package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    known = set(sys.modules)
    (tmp_path / "served_app.py").write_text(APP)
    (tmp_path / "pack_age").mkdir()
    (tmp_path / "pack_age" / "__init__.py").write_text("")
    (tmp_path / "pack_age" / "inner.py").write_text("from pack_age import helper\n" + APP)
    (tmp_path / "pack_age" / "helper.py").write_text("")
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize(
    "reference",
    ["served_app", "served_app:app", "served_app:other", "served_app.py", "served_app.py:other", "pack_age.inner:app"],
)
def test_each_form_finds_its_app(here: Path, reference: str) -> None:
    module = sys.modules
    app = load_app(reference)
    name = reference.partition(":")[0].removesuffix(".py")
    assert app is getattr(module[name], reference.partition(":")[2] or "app")


def test_a_file_elsewhere_may_import_its_neighbours(here: Path) -> None:
    folder = here / "elsewhere"
    folder.mkdir()
    (folder / "neighbour_of_it.py").write_text("word = 'hi'\n")
    (folder / "far_app.py").write_text("import neighbour_of_it\n" + APP)
    load_app(str(folder / "far_app.py"))
    assert sys.modules["neighbour_of_it"].word == "hi"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("served_ap:app", "there is no module 'served_ap' here; did you mean served_app?"),
        ("pack_age.iner:app", r"no module 'pack_age.iner' here; did you mean pack_age.inner\?"),
        ("nosuchthing:app", "name it as MODULE:APP"),
        ("served_app:apk", "has no App named 'apk'; it has app, other: use served_app:app"),
        ("served_app:number", "number in served_app is a int, not a farhand.App"),
        ("pack_age:app", r"make one with app = farhand.App\(\)"),
        ("served_ap.py", "there is no file served_ap.py; did you mean served_app.py?"),
        ("nowhere/else.py", "there is no file nowhere/else.py"),
        ("pack_age/", "pack_age is a folder, not a Python file; did you mean pack_age/__init__.py"),
        (":app", "'' is no module's name"),
        ("a b:app", "'a b' is no module's name"),
    ],
)
def test_a_wrong_name_is_told_with_the_near_ones(here: Path, reference: str, said: str) -> None:
    with pytest.raises(AppNotFound, match=said):
        load_app(reference)


def test_what_the_module_raises_passes_through(here: Path) -> None:
    (here / "broken_app.py").write_text("def app(:\n")
    (here / "lacking_app.py").write_text("import no_such_thing_at_all\n")
    for reference in ("broken_app.py", "broken_app:app"):
        with pytest.raises(SyntaxError):
            load_app(reference)
    for reference in ("lacking_app.py", "lacking_app:app"):
        with pytest.raises(ModuleNotFoundError, match="no_such_thing_at_all"):
            load_app(reference)
    assert "lacking_app" not in sys.modules
    assert find_file("broken_app.py") == Path("broken_app.py")
