"""What the command does with files and bytes that it is given and that it gets."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farhand import AsyncClient, Client, InvalidArguments
from tests.cli.processes import COMMAND, at_terminal, environment, farhand, served, serving, until

APP = """
from collections.abc import Iterator
from pathlib import Path
import farhand
app = farhand.App()

@app.handler
def made(size: int) -> farhand.File:
    return farhand.File.of(b"x" * size, "made.txt")

@app.handler
def raw(size: int) -> bytes:
    return b"y" * size

@app.handler
def report() -> dict[str, object]:
    return {"right": 0.5, "files": [farhand.File.of(b"one", "a.txt"), farhand.File.of(b"two", "a.txt")]}

@app.handler
def pages(ctx: farhand.Context) -> Iterator[farhand.File]:
    for number in range(3):
        yield farhand.File.of(b"page %d" % number, "page.txt")

@app.handler
def endless(ctx: farhand.Context, path: str) -> farhand.File:
    with open(path, "wb") as file:
        file.truncate(4 << 30)
    return farhand.File(path)

@app.handler
def size(data: farhand.File, times: int = 1) -> int:
    return data.size * times
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a hub whose worker serves these handlers."""
    app = tmp_path_factory.mktemp("app") / "filing.py"
    app.write_text(APP)
    with served(str(app)) as address:
        yield address


@pytest.mark.parametrize("size", [5, 3_000_000])
def test_a_file_or_bytes_are_written_as_they_are(hub: str, tmp_path: Path, size: int) -> None:
    for handler, byte in (("made", b"x"), ("raw", b"y")):
        done = farhand("run", handler, f"size={size}", "--out", "out.bin", "--hub", hub, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / "out.bin").read_bytes() == byte * size
    assert [one.name for one in tmp_path.iterdir()] == ["out.bin"]


def test_other_results_are_written_as_json(hub: str, tmp_path: Path) -> None:
    done = farhand("run", "report", "--out", "out.json", "--hub", hub, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert base64.b64decode(found["files"][1]["data"]) == b"two"


def test_a_folder_takes_the_files_of_a_result_each_by_a_name_of_its_own(hub: str, tmp_path: Path) -> None:
    done = farhand("run", "report", "--out", "new/", "--hub", hub, cwd=tmp_path)
    first, second = json.loads(done.stdout)["files"]
    assert first == {"name": "a.txt", "media": "text/plain", "size": 3, "path": "new/a.txt"}
    assert second["path"] == "new/a-2.txt"
    assert (tmp_path / "new/a.txt").read_bytes() + (tmp_path / "new/a-2.txt").read_bytes() == b"onetwo"


def test_a_streams_files_go_into_a_folder(hub: str, tmp_path: Path) -> None:
    done = farhand("stream", "pages", "--out", "new", "--hub", hub, cwd=tmp_path)
    paths = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    assert paths == ["new/page.txt", "new/page-2.txt", "new/page-3.txt"]
    assert [(tmp_path / path).read_bytes() for path in paths] == [b"page 0", b"page 1", b"page 2"]


def test_a_durable_jobs_result_is_written_too(hub: str, tmp_path: Path) -> None:
    job = farhand("submit", "made", "size=3000000", "--hub", hub).stdout.strip()
    done = farhand("result", job, "--out", str(tmp_path / "out.bin"), "--hub", hub)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out.bin").read_bytes() == b"x" * 3_000_000


def test_a_large_result_on_stdout_leaves_no_trace_on_stderr(hub: str) -> None:
    job = farhand("submit", "made", "size=60000000", "--hub", hub).stdout.strip()
    done = farhand("result", job, "--hub", hub)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 80_000_000


def test_watches_that_are_left_open_while_the_loop_ends_say_nothing(hub: str, caplog: pytest.LogCaptureFixture) -> None:
    watches = []

    async def left() -> None:
        async with AsyncClient(hub) as client:
            job = await client.submit("report")
            await job.result()
            for _ in range(10):
                watches.append(job.watch())
                await anext(watches[-1])

    asyncio.run(left())
    assert caplog.text == ""


def test_a_terminal_is_told_of_files_and_not_flooded(hub: str) -> None:
    status, lines = at_terminal(50, "run", "made", "size=2000", "--hub", hub)
    assert (status, lines) == (0, ['{"name":"made.txt","media":"text/plain","size":2000}'])
    assert at_terminal(50, "run", "raw", "size=2000", "--hub", hub) == (0, ['{"bytes":2000}'])
    status, lines = at_terminal(50, "run", "made", "size=4", "--hub", hub)
    assert lines == ['{"name":"made.txt","media":"text/plain","data":"eHh4eA=="}']


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "made", "size=1", "--out", "no/such/file"), "--out no/such/file: there is no folder no/such"),
        (("stream", "pages", "--out", "taken"), "--out taken is to be a folder: File exists"),
        (("run", "size", "data=taken"), "data takes a file: data=@taken sends that of this name"),
        (("run", "size", "data=@nothing"), "data: there is no file nothing"),
    ],
)
def test_what_can_not_be_is_said_before_anything_runs(
    hub: str, arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_bytes(b"kept")
    done = farhand(*arguments, "--hub", hub, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    assert (tmp_path / "taken").read_bytes() == b"kept"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_full_disk_is_said_in_a_line(hub: str) -> None:
    done = farhand("run", "made", "size=1000000", "--out", "/dev/full", "--hub", hub)
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no room for /dev/full, 1,000,000 bytes: No space left")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_in_the_middle_of_a_large_fetch_leaves_no_file(hub: str, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    source = tmp_path / "source"
    command = (*COMMAND, "run", "endless", f"path={source}", "--out", "out.bin", "--hub", hub)
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(TMPDIR=str(tmp_path / "tmp")), stderr=subprocess.PIPE, text=True
    )
    with process:
        until(lambda: any(one.stat().st_size > 1 << 20 for one in (tmp_path / "tmp").iterdir()))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert said.startswith("interrupted")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["source", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_call_that_waited_for_its_worker_has_its_arguments_understood(tmp_path: Path) -> None:
    (tmp_path / "filing.py").write_text(APP)
    with serving("hub", "--grpc", "127.0.0.1:0") as (_, address):
        command = (*COMMAND, "run", "made", "size=3", "--hub", address)
        waits = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with waits:
            assert waits.stderr is not None
            assert waits.stderr.readline().startswith("waiting up to 30 s")
            with serving("worker", "filing.py", "--hub", address, cwd=tmp_path):
                answer, said = waits.communicate(timeout=20)
    assert json.loads(answer)["name"] == "made.txt", said


def test_what_is_no_ref_is_not_fetched(hub: str) -> None:
    word: Any = "a word"
    with Client(hub) as client, pytest.raises(InvalidArguments, match=r"as job.ref\(\) gives one, not a str"):
        client.fetch(word)
