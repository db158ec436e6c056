"""The demo's handlers: they read the source tree of Python's own standard library."""

from __future__ import annotations

import ast
import re
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from farhand.worker import App, Context

app = App()

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
LONGEST = 3


class FunctionSize(msgspec.Struct):
    """A function and its length in lines."""

    name: str
    lines: int


class PackageReport(msgspec.Struct):
    """What one top-level package or module of the tree holds."""

    package: str
    files: int
    lines: int
    functions: int
    classes: int
    longest: list[FunctionSize]


class Hit(msgspec.Struct):
    """Where a word stands: the file, and how often."""

    file: str
    count: int


def _root() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def _sources() -> list[Path]:
    skipped = {"site-packages", "dist-packages", "test", "tests", "__pycache__", "idlelib", "lib2to3"}
    return sorted(path for path in _root().rglob("*.py") if not skipped & set(path.relative_to(_root()).parts))


@app.handler
async def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@app.handler(isolate="process")
def analyse(ctx: Context) -> Iterator[PackageReport]:
    """Count files, lines, functions and classes of the standard library, package by package."""
    packages: dict[str, list[Path]] = defaultdict(list)
    sources = _sources()
    for path in sources:
        packages[path.relative_to(_root()).parts[0].removesuffix(".py")].append(path)
    done = 0
    for package, paths in packages.items():
        report = PackageReport(package, len(paths), 0, 0, 0, [])
        for path in paths:
            _count(path, report)
            done += 1
            ctx.progress(done, len(sources), package)
        report.longest = sorted(report.longest, key=lambda one: -one.lines)[:LONGEST]
        yield report


def _count(path: Path, report: PackageReport) -> None:
    text = path.read_text(errors="replace")
    report.lines += text.count("\n")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        print(f"{path.name} can't be parsed: {error}")
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            report.functions += 1
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            report.longest.append(FunctionSize(f"{path.stem}.{node.name}", lines))
        elif isinstance(node, ast.ClassDef):
            report.classes += 1


@app.handler
def build_index(ctx: Context) -> int:
    """Index every word of the tree in the session's state; how many words there are."""
    index: dict[str, dict[str, int]] = defaultdict(dict)
    sources = _sources()
    for done, path in enumerate(sources, 1):
        name = str(path.relative_to(_root()))
        for word, count in Counter(WORD.findall(path.read_text(errors="replace"))).items():
            index[word][name] = count
        ctx.progress(done, len(sources), "indexing")
    state = ctx.session
    if state is None:
        raise RuntimeError("call build_index in a session")
    state["index"] = index
    return len(index)


@app.handler
async def search(ctx: Context, word: str, limit: int = 3) -> list[Hit]:
    """The files in which a word stands most often."""
    index = (ctx.session or {}).get("index")
    if index is None:
        raise RuntimeError("call build_index first, in the same session")
    found = sorted(index.get(word, {}).items(), key=lambda pair: -pair[1])
    return [Hit(file, count) for file, count in found[:limit]]


@app.handler
def count_slowly(ctx: Context, seconds: float = 60.0) -> int:
    """Count for a while, so that there is something to cancel."""
    end = time.monotonic() + seconds
    steps = 0
    while time.monotonic() < end:
        steps += 1
        ctx.progress(steps)
        time.sleep(0.01)
    return steps
