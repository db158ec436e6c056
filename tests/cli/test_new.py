"""`farhand new service`: what it writes runs and passes at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from farhand.cli import new
from farhand.cli.output import Usage
from tests.cli.processes import ROOT, environment, farhand

BIN = Path(sys.executable).parent


def make(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("make", *arguments),
        cwd=folder,
        env=environment(PATH=path or f"{BIN}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=55,
    )


@pytest.mark.parametrize("name", ["demo", "my-first-service"])
def test_what_is_written_passes_its_own_tests(tmp_path: Path, name: str) -> None:
    done = farhand("new", "service", name, cwd=tmp_path, PATH=f"{BIN}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [f"  cd {name}", "  make test", "  make run"]
    project = tmp_path / name
    tested = make(project, "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "Ran 4 tests" in tested.stderr
    assert "test" in make(project).stdout
    whole = "\n".join(path.read_text() for path in project.iterdir() if path.is_file())
    for part in (str(ROOT), str(tmp_path), sys.prefix, sys.executable):
        assert part not in whole
    assert not re.search(r"https?://(?!127\.0\.0\.1)", whole)
    assert "$$" not in (project / "compose.yaml").read_text()


def test_it_says_which_python_where_the_path_has_another(tmp_path: Path) -> None:
    done = farhand("new", "service", "demo", cwd=tmp_path, PATH="/usr/bin:/bin")
    assert f"make test PYTHON={sys.executable}" in done.stdout
    lacking = make(tmp_path / "demo", "test", "PYTHON=false")
    assert lacking.returncode != 0
    assert "has no farhand" in lacking.stdout


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("demo", "file", "link"):
        done = farhand("new", "service", name, cwd=tmp_path)
        assert (done.returncode, "is there already" in done.stderr) == (2, True)
    assert list((tmp_path / "demo").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["", "Demo", "1a", "a/b", "../a", "a b", "a--b", "-a", "a-", "class", "service", "farhand", "ä", "x" * 41]
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(Usage, match="can't name a service"):
        new.check_name(name)


def test_a_module_in_a_trampoline_is_found(tmp_path: Path) -> None:
    """A command in a folder with a long name begins with a shell's line."""
    new.write(tmp_path, "demo")
    command = tmp_path / "bin" / "farhand"
    command.parent.mkdir()
    for text in (
        f'#!/bin/sh\n\'\'\'exec\' "{sys.executable}" "$0" "$@"\n',
        f"#!/bin/sh\n'''exec' {sys.executable} \"$0\"\n",
    ):
        command.write_text(text)
        command.chmod(0o755)
        done = make(tmp_path, "-n", "run", path=f"{command.parent}:/usr/bin:/bin")
        assert f"{sys.executable} -m farhand service" in done.stdout
