"""The command and its stores: what can't be opened is one clear line, and no password is shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.processes import farhand

SECRET = "s3cr3t"
AWAY = f"postgresql://ann:{SECRET}@127.0.0.1:1/jobs"


def opening(url: str, path: str = "") -> str:
    """What is said when a hub can't be started with this store: one line, and no traceback."""
    done = farhand("hub", "--grpc", "127.0.0.1:0", "--store", url, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_server_that_is_not_there_is_one_line_with_what_to_do() -> None:
    text = opening(AWAY)
    assert "the PostgreSQL store postgresql://ann:***@127.0.0.1:1/jobs can't be opened" in text
    assert "Start the server, or correct the URL" in text
    assert SECRET not in text


def test_a_url_that_makes_no_sense_is_one_line() -> None:
    for url in (f"postgresql://ann:{SECRET}@127.0.0.1:1/jobs?schema=Not-One", f"mysql://ann:{SECRET}@127.0.0.1/jobs"):
        assert SECRET not in opening(url)


def test_a_driver_that_is_not_installed_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "asyncpg.py").write_text("raise ImportError('none here')")
    assert "pip install 'farhand[postgres]'" in opening(AWAY, path=str(tmp_path))


def test_the_doctor_hides_the_password() -> None:
    done = farhand("doctor", "--json", "--hub", "127.0.0.1:1", FARHAND_STORE=AWAY, FARHAND_GRPC="127.0.0.1:0")
    assert SECRET not in done.stdout + done.stderr
    shown = json.loads(done.stdout)["settings"]["store"]
    assert shown == {"value": "postgresql://ann:***@127.0.0.1:1/jobs", "source": "FARHAND_STORE"}


def test_a_bad_setting_hides_the_password() -> None:
    done = farhand("hub", "--grpc", AWAY)
    assert done.returncode == 2
    assert SECRET not in done.stderr


def test_a_lease_has_bounds() -> None:
    done = farhand("hub", "--grpc", "127.0.0.1:0", "--lease", "0.5")
    assert done.returncode == 2
    assert "1 to 3600 seconds are needed" in done.stderr
