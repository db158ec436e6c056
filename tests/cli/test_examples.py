"""Each example, served and called as its first lines say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import ROOT, environment, farhand, line_with, served, serving, started
from tests.sql.places import postgres_place, sqlite_place


@pytest.mark.parametrize(
    ("app", "script", "said"),
    [
        ("quickstart", "client", "3.0\n3\n2\n1\n500500.0\n"),
        ("session_index", "session_index", "files indexed"),
        ("cancel", "cancel", "receipt: killed"),
        ("pydantic_model", "pydantic_model", "7.5\n2.0\nrefused: count: "),
        ("chain", "chain", "23.65 then 24.65: more\n"),
        ("lifespan", "lifespan", "[1, 1]\n2\n"),
        (
            "nextflow_policy",
            "nextflow_policy",
            "4 SUBMITTED → give it 227 MB\n4 COMPLETED → learned from 4\n5 FAILED → ",
        ),
        (
            "quickstart",
            "async_client",
            "3.0\n[0.0, 2.0, 4.0]\n2 to go\n2\n1 to go\n1\n[1.0, 2.0, 3.0]\ndid you mean ['add']",
        ),
    ],
)
def test_a_script_beside_its_app(app: str, script: str, said: str) -> None:
    with served(f"examples/{app}.py") as address:
        done = subprocess.run(
            (sys.executable, "-W", "error", f"examples/{script}.py", address),
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_analyse_streams_a_line_a_file() -> None:
    with served("examples.analyse:app") as address:
        done = farhand("stream", "analyse", "root=examples", "--hub", address)
    assert done.returncode == 0, done.stderr
    assert '"file":"examples/analyse.py"' in done.stdout


def test_a_pipeline_of_two_services_and_its_orchestrator() -> None:
    folder = ROOT / "examples/pipeline"
    flags = ("--proto", "measures_pb2", "--port", "0", "--grpc-port", "0", "--grpc-host", "127.0.0.1")
    with (
        started("service", "measure", *flags, cwd=folder) as first,
        started("service", "report", *flags, cwd=folder) as second,
    ):
        urls = [line_with(one.stdout, "farhand service ready").split()[-3] for one in (first, second)]
        done = subprocess.run(
            (sys.executable, "-W", "error", "orchestrate.py", *urls),
            cwd=folder,
            env=environment(NO_PROXY="127.0.0.1"),
            capture_output=True,
            text=True,
            timeout=50,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("north: 500,000 readings, mean 249,999.5\nsouth: 500,000 readings, mean 1,249,999.5\n")


def test_what_is_fetched_from_a_database_goes_into_another(tmp_path: Path) -> None:
    with (
        postgres_place(tmp_path) as target,
        sqlite_place(tmp_path) as shop,
        serving("hub", "--grpc", "127.0.0.1:0") as (_, hub),
        serving("sql-worker", "--group", "shop", "--database", f"shop={shop.url}", "--hub", hub),
    ):
        for change in ("select 1", "update items set name = 'gear' where id = 3"):
            shop.do(change)
            done = subprocess.run(
                (sys.executable, "-W", "error", "examples/into_postgres.py", hub, target.url),
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert done.stdout == "3 rows fetched and inserted\n", done.stderr
            assert target.do("select * from fetched_items order by id") == shop.do("select * from items order by id")


def test_every_example_is_run_here() -> None:
    named = set(re.findall(r"\w+", Path(__file__).read_text()))
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} - named == set()
