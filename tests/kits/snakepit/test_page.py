"""What the how-to page shows runs, and prints what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.processes import environment, started
from tests.docs.pages import ROOT, blocks

PAGE = (ROOT / "docs/how-to/snakepit.md").read_text()


def test_the_page(tmp_path: Path) -> None:
    work, call, adapter = blocks(PAGE, "python")
    (printed,) = blocks(PAGE, "text")
    (tmp_path / "work.py").write_text(work)
    (tmp_path / "call.py").write_text(call)
    (tmp_path / "own.py").write_text(adapter)
    for reference, wanted in (("work:app", printed), ("own.Adapter", None)):
        with started("snakepit-worker", "--adapter", reference, "--port", "0", cwd=tmp_path) as process:
            assert process.stdout is not None
            port = process.stdout.readline().strip().partition("=")[2]
            if wanted is not None:
                command = (sys.executable, "call.py", f"127.0.0.1:{port}")
                done = subprocess.run(
                    command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=40
                )
                assert (done.stdout.strip(), done.returncode) == (wanted.strip(), 0), done.stderr
