"""The examples that are a folder each: their readme's commands, run as written, and what they promise."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from farhand import Client, File
from tests.cli.processes import COMMAND, ROOT, environment, line_with, memory, ready_line, serving, started
from tests.docs.pages import blocks

MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an example's folder, which its scripts write into."""
    return Path(shutil.copytree(ROOT / "examples" / request.param, tmp_path / request.param))


def in_folder(folder: Path, *command: str, hub: str = "") -> str:
    """Run a command in a folder, as a page shows it: what it prints. Warnings of scripts are errors."""
    program = {"python": (sys.executable, "-W", "error"), "farhand": COMMAND}[command[0]]
    done = subprocess.run(
        (*program, *command[1:]),
        cwd=folder,
        env=environment(FARHAND_HUB=hub),
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def follow_readme(folder: Path) -> tuple[list[str], str]:
    """Run each command of a folder's readme, the first of which serves, as written: the outputs of the others, and what
    the readme says that they print."""
    readme = (folder / "README.md").read_text()
    lines = [shlex.split(line) for block in blocks(readme, "sh") for line in block.splitlines()]
    assert lines[0] == ["farhand", "dev", "app.py"]
    with started(*lines[0][1:], "--grpc", "127.0.0.1:0", cwd=folder) as process:
        hub = ready_line(process, "hub").split()[-1]
        line_with(process.stdout, "worker ready")
        return [in_folder(folder, *line, hub=hub) for line in lines[1:]], "".join(blocks(readme, "text"))


@pytest.mark.parametrize("folder", ["images"], indirect=True)
def test_a_folder_of_images_is_classified_and_drawn(folder: Path) -> None:
    (made, asked, streamed), said = follow_readme(folder)
    assert made == "899 images in digits\n"
    assert asked.endswith(said)
    assert "digits/3/" in asked
    with Image.open(folder / "confusion.png") as picture:
        assert picture.format == "PNG"
        colours = picture.convert("RGB").getcolors(1 << 20)
        assert picture.width > 500 < picture.height
    assert len(colours or ()) > 20
    *batches, report = [json.loads(line) for line in streamed.splitlines()]
    predictions = [one for batch in batches for one in batch]
    assert len(predictions) == 899
    assert len(batches) == 29
    right = sum(one["label"] == one["digit"] for one in predictions)
    assert right / 899 == report["accuracy"] > 0.95
    assert report["confusion"]["path"] == "charts/confusion.png"
    assert (folder / "charts/confusion.png").read_bytes() == (folder / "confusion.png").read_bytes()


@pytest.mark.parametrize("folder", ["table"], indirect=True)
def test_a_million_rows_are_cleaned_and_summed_up(folder: Path) -> None:
    (made, asked, streamed), said = follow_readme(folder)
    assert made == "1,000,000 rows in sales.csv\n"
    assert [line for line in said.splitlines()[1:] if line not in asked.splitlines()] == []
    assert len(asked.splitlines()) == 13
    *sofar, table = [json.loads(line) for line in streamed.splitlines()]
    assert len(sofar) > 30
    last = sofar[-1]
    assert last["rows"] == 1_000_000 == sum(row["orders"] for row in table) + last["repeated"] + last["unreadable"]
    assert f"{last['repeated']:,} repeated, {last['unreadable']:,} unreadable" in said
    assert sum(Decimal(row["revenue"]) for row in table) == Decimal(last["revenue"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize("folder", ["table"], indirect=True)
def test_a_tables_sums_are_exact_in_constant_memory(folder: Path) -> None:
    in_folder(folder, "python", "make_csv.py", "200000", "small.csv")
    in_folder(folder, "python", "make_csv.py", "1000000", "large.csv")
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (hub, address),
        serving("worker", "app.py", "--hub", address, cwd=folder) as (worker, _),
        Client(address) as client,
    ):

        def summed(name: str) -> dict[tuple[str, str], Decimal]:
            stream = client.stream("summarise", {"sales": File(folder / name)})
            list(stream)
            return {(row["month"], row["shop"]): row["revenue"] for row in stream.result.to_pylist()}

        assert summed("small.csv") == plainly(folder / "small.csv")
        before = [memory(process.pid, "VmHWM:") for process in (hub, worker)]
        assert len(summed("large.csv")) == 48
        grown = [memory(process.pid, "VmHWM:") - was for process, was in zip((hub, worker), before, strict=True)]
    assert max(grown) <= 48 * 1024, f"hub and worker grew by {grown} KiB"


def plainly(path: Path) -> dict[tuple[str, str], Decimal]:
    """The sums by month and shop, without any of what the example uses."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    seen = set()
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            blank = {"", "n/a", "-"} & {row["date"], row["quantity"], row["price"]}
            if row["order"] not in seen and not blank:
                month = re.search(r"-(\d\d)-|\.(\d\d)\.| (\w{3}) ", row["date"])
                assert month
                number = month[1] or month[2] or f"{MONTHS.index(month[3]) // 3 + 1:02}"
                amount = Decimal(row["price"].replace(",", "")) * int(row["quantity"])
                found[f"2025-{number}", row["shop"].strip().lower()] += amount
            seen.add(row["order"])
    return dict(found)
