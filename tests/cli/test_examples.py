"""Each example, served and called as its first lines say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.processes import ROOT, environment, farhand, served


@pytest.mark.parametrize(
    ("app", "script", "said"),
    [
        ("quickstart", "client", "3.0\n3\n2\n1\n500500.0\n"),
        ("session_index", "session_index", "files indexed"),
        ("cancel", "cancel", "receipt: killed"),
    ],
)
def test_a_script_beside_its_app(app: str, script: str, said: str) -> None:
    with served(f"examples/{app}.py") as address:
        done = subprocess.run(
            (sys.executable, f"examples/{script}.py", address),
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
