"""`--blobs`: where a hub keeps large payloads, what it says where it can't, and what the doctor finds."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from farhand import AsyncClient
from farhand.errors import InvalidArguments
from farhand.model.places import beside, folder_of
from tests.cli.processes import ROOT, farhand, serving
from tests.engines.s3 import READER, READER_SECRET, SECRET, S3Server, free_ports

BIG = 3 * 1024 * 1024
APP = """
import farhand

app = farhand.App()


@app.handler
def echo(value: bytes) -> bytes:
    return value
"""


def kept(blobs: str, folder: Path, store: str = "memory:") -> None:
    """A durable job's large argument and result are kept there."""
    (folder / "app.py").write_text(APP)

    async def ask(address: str) -> None:
        async with AsyncClient(address, connect_timeout=5.0) as client:
            value = os.urandom(BIG)
            assert await (await client.submit("echo", {"value": value})).result(20) == value

    with (
        serving("hub", "--grpc", "127.0.0.1:0", "--blobs", blobs, cwd=folder, FARHAND_STORE=store) as (_, address),
        serving("worker", "app.py:app", "--hub", address, cwd=folder),
    ):
        asyncio.run(ask(address))


@pytest.mark.parametrize("form", ["file:{}/some%20place", "file://{}/some%20place", "file:some%20place"])
def test_a_hub_keeps_them_in_the_folder_that_is_named(tmp_path: Path, form: str) -> None:
    kept(form.format(tmp_path), tmp_path, f"sqlite:///{tmp_path}/jobs.db")
    sizes = [path.stat().st_size for path in (tmp_path / "some place" / "kept").rglob("*") if path.is_file()]
    assert sum(size > BIG for size in sizes) == 2
    assert not (tmp_path / "jobs.db.blobs").exists()


def test_a_hub_keeps_them_in_the_bucket_that_is_named(tmp_path: Path, s3_server: S3Server) -> None:
    kept(s3_server.url("of-the-command"), tmp_path)
    assert len(s3_server.names("/buckets/farhand-test/of-the-command/kept/")) == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "app.py"]


def test_beside_the_store_is_where_they_are_else() -> None:
    assert beside("memory:") == "memory:"
    assert folder_of(beside("sqlite:///a b%.db")) == "a b%.db.blobs"
    assert folder_of(beside("sqlite:////x/farhand.db")) == "/x/farhand.db.blobs"
    assert folder_of(beside("postgresql://ann@db/jobs")) == "farhand.blobs"


@pytest.mark.parametrize("url", ["", "file:", "file:///", "file://host/x", "file:.", "folder", "ftp://a/b", "memory:x"])
def test_a_url_that_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(InvalidArguments, match="names no place for large payloads: use file:///FOLDER"):
        folder_of(url)


def opening(blobs: str, path: str = "") -> str:
    """What is said when a hub can't be started with these blobs: one line, and no traceback."""
    done = farhand("hub", "--grpc", "127.0.0.1:0", "--blobs", blobs, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr
    return done.stderr


def test_a_place_that_can_t_be_had_is_one_line_with_what_to_do(s3_server: S3Server, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    away = s3_server.url("x").replace(s3_server.endpoint.rpartition(":")[2], str(port))
    assert "look whether it runs, and at endpoint=" in opening(away)
    assert "there is no bucket 'nowhere'" in opening(s3_server.url("x", bucket="nowhere"))
    assert "look at AWS_ACCESS_KEY_ID" in opening(s3_server.url("x", key="nobody"))
    assert "AccessDenied" in opening(s3_server.url("only-read", key=READER, secret=READER_SECRET))
    assert "says nothing to it; known: endpoint" in opening(f"s3://bucket?secret_access_key={SECRET}&x=1")
    assert "names no place for large payloads" in opening(f"ftp://ann:{SECRET}@host/x")
    (tmp_path / "file").touch()
    assert "Correct that, or name another with --blobs" in opening(f"file:{tmp_path}/file")


def test_obstore_that_is_not_installed_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ImportError('none here')")
    assert "pip install 'farhand[s3]'" in opening("s3://some-bucket", str(tmp_path))


def examined(blobs: str = "", store: str = "memory:") -> dict[str, Any]:
    variables = {"FARHAND_GRPC": "127.0.0.1:0", "FARHAND_BLOBS": blobs, "FARHAND_STORE": store}
    done = farhand("doctor", "--json", "--hub", "127.0.0.1:1", cwd=ROOT, **variables)
    assert (done.returncode, done.stderr) == (1, "")
    assert SECRET not in done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_doctor_says_whether_they_can_be_kept(s3_server: S3Server, s3: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for given, says, problem in (
        (s3, "can be reached", ""),
        (s3_server.url("x", bucket="nowhere"), "can't be reached", "create it, or name another with --blobs"),
        ("s3://x", "no such place", "a bucket's name has 3 to 63"),
        (f"file:{tmp_path}", "can be written", ""),
        (f"file:{tmp_path}/a/b", "can be made", ""),
        (f"file:{tmp_path}/file", "can't be written", "be a folder that can be written"),
        ("memory:", "can be reached", ""),
    ):
        found = examined(given)
        assert found["blobs"] == says, given
        assert found["settings"]["blobs"]["source"] == "FARHAND_BLOBS"
        others = [one for one in found["problems"] if not one.startswith("no hub answers")]
        assert len(others) == bool(problem)
        assert problem in "".join(others)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    default = examined(store=f"sqlite:///{tmp_path}/farhand.db")["settings"]["blobs"]
    assert default == {"value": f"file:{tmp_path}/farhand.db.blobs", "source": "default"}
