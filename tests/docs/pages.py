"""The project's pages, and what can be read off a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


def name(page: Path) -> str:
    """A page as tests name it."""
    return str(page.relative_to(ROOT))


def blocks(text: str, language: str = "") -> list[str]:
    """The code blocks of a page, of one language or of all."""
    return [body for kind, body in _FENCE.findall(text) if language in ("", kind)]


def prose(text: str) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", text)


def codes(text: str) -> list[str]:
    """What stands in backticks outside of code blocks."""
    return _CODE.findall(prose(text))


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each table row, heads included and rules left out."""
    for line in prose(text).splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def section(text: str, head: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(head)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {head!r}"
    return found.group(1)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}
