"""Every page: links lead somewhere, code is code, commands and targets exist, and no machine is named."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, blocks, codes, name, prose
from tests.docs.tables import commands

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_MACHINE = re.compile(r"(?<![\w.~/])/(?:home|Users|root|work|tmp|opt|usr|var|private|mnt)/|[A-Z]:\\")
_TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")

every_page = pytest.mark.parametrize("page", PAGES, ids=name)


def dead_links(text: str, page: Path) -> list[str]:
    """Relative links of a page that lead nowhere, be it the file or the heading."""
    dead = []
    for link in _LINK.findall(prose(text)):
        where, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", where):
            continue
        target = page.parent / where if where else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            dead.append(link)
    return dead


def shell_lines(text: str) -> list[list[str]]:
    """The commands of a page's shell blocks, as words, without comments."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def unknown_targets(text: str) -> set[str]:
    """What a page's code calls with make that the Makefile doesn't have."""
    shown = [word for code in [*codes(text), *blocks(text, "sh")] for word in _TARGET.findall(code)]
    return set(shown) - set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def machine_paths(text: str) -> list[str]:
    """Lines that name a folder of some machine."""
    return [line for line in text.splitlines() if _MACHINE.search(line)]


def parse(words: list[str]) -> None:
    """Let the command's own parser read a command line; nothing runs.

    Raises:
        Exception: there is no such verb, flag or argument.
    """
    verbs = commands()
    if len(words) > 1 and not words[1].startswith("-"):
        verbs[words[1]].make_context(words[1], words[2:])
    else:
        verbs[""].make_context("farhand", words[1:], resilient_parsing=True)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page.read_text(), page) == []


@every_page
def test_python_compiles(page: Path) -> None:
    for block in blocks(page.read_text(), "python"):
        compile(block, name(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@every_page
def test_commands_exist_with_their_flags(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "hello.py").touch()
    monkeypatch.chdir(tmp_path)
    for words in shell_lines(page.read_text()):
        if words[0] == "farhand":
            parse(words)


@every_page
def test_make_targets_exist(page: Path) -> None:
    assert unknown_targets(page.read_text()) == set()


@every_page
def test_no_page_names_a_folder_of_some_machine(page: Path) -> None:
    assert machine_paths(page.read_text()) == []


@pytest.mark.parametrize("page", [page for page in PAGES if "docs" in page.parts], ids=name)
def test_every_page_of_docs_is_listed(page: Path) -> None:
    index = ROOT / "docs" / ("adr/index.md" if page.parent.name == "adr" else "index.md")
    links = {(index.parent / link).resolve() for link in _LINK.findall(index.read_text()) if ":" not in link}
    assert page in links or page == index or page.name == "index.md"


def test_what_is_wrong_is_found() -> None:
    page = ROOT / "README.md"
    assert dead_links("[a](nowhere.md) [b](README.md#nothing) [c](https://example.org/x)", page) == [
        "nowhere.md",
        "README.md#nothing",
    ]
    assert unknown_targets("`make test` and `make coffee`") == {"coffee"}
    assert machine_paths("in `/home/someone/x`\nin `docs/x`\n") == ["in `/home/someone/x`"]
    with pytest.raises(KeyError):
        parse(["farhand", "fly"])
    with pytest.raises(Exception, match="No such option"):
        parse(["farhand", "hub", "--wings", "2"])
