"""Blobs in a bucket stand what servers, networks, other hubs and wrong settings do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from farhand.engines.s3 import bucket as buckets
from farhand.engines.s3 import writing
from farhand.engines.s3.blobs import WINDOW, S3Blobs
from farhand.engines.s3.bucket import PART, Bucket
from farhand.engines.s3.url import place_of
from farhand.errors import DataDamaged, FarhandError, InvalidArguments, OutOfSpace, RefNotFound, Unavailable
from farhand.testing.conformance.blobs import checksum, get, put, refused, rest, some_bytes
from tests.engines.s3 import READER, READER_SECRET, SECRET, S3Server, free_ports, serving

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


@pytest.fixture
async def blobs(s3: str, s3_server: S3Server) -> AsyncIterator[S3Blobs]:
    """An empty store, which leaves no upload behind."""
    blobs = S3Blobs(s3)
    yield blobs
    await blobs.close()
    assert s3_server.uploads() == []


@pytest.fixture
async def other(s3: str) -> AsyncIterator[S3Blobs]:
    """A second hub's, in the same place."""
    other = S3Blobs(s3)
    yield other
    await other.close()


async def test_large_blobs_go_in_parts_and_come_in_windows(blobs: S3Blobs) -> None:
    data = some_bytes(2 * PART + WINDOW + 7)
    for size in (PART - 33, PART - 32, PART - 1, PART, PART + 1, 2 * PART, len(data)):
        kept = await put(blobs, f"a{size}", data[:size], 700_001)
        assert (kept.size, kept.checksum) == (size, checksum(data[:size]))
        assert await get(blobs, f"a{size}") == data[:size]
    for offset, length in ((1, None), (WINDOW - 1, 2), (PART, PART), (len(data) - 1, 9), (3, 2 * WINDOW)):
        end = None if length is None else offset + length
        assert await rest(await blobs.open(f"a{len(data)}", offset, length)) == data[offset:end]
    listed = {one.id: one.size for one in await blobs.list()}
    assert listed[f"a{len(data)}"] == len(data)


async def test_a_large_blob_that_is_given_up_leaves_nothing(blobs: S3Blobs, s3_server: S3Server) -> None:
    writer = await blobs.begin("a")
    await writer.write(some_bytes(2 * PART + 9))
    assert await blobs.stat("a") is None
    await until(lambda: s3_server.uploads() != [])
    await writer.abort()
    assert s3_server.uploads() == []
    writer = await blobs.begin("a")
    await writer.write(some_bytes(2 * PART))
    await refused(DataDamaged, writer.commit(2 * PART + 1, ""), "in place of")
    assert s3_server.uploads() == []
    writer = await blobs.begin("a")
    await writer.write(some_bytes(2 * PART))
    await blobs.close()
    assert s3_server.uploads() == []


async def test_a_large_id_keeps_its_bytes_too(blobs: S3Blobs) -> None:
    one, two = some_bytes(PART + 1), some_bytes(PART + 1, 1)
    first, again, wrong = [await blobs.begin("a") for _ in range(3)]
    for writer, data in ((first, one), (again, one), (wrong, two)):
        await writer.write(data)
    answers = await asyncio.gather(*(w.commit(-1, "") for w in (first, again, wrong)), return_exceptions=True)
    kept = await get(blobs, "a")
    refusals = [one for one in answers if isinstance(one, InvalidArguments)]
    assert (kept, len(refusals)) in ((one, 1), (two, 2))


async def test_a_large_write_that_is_cancelled_anywhere_leaves_nothing_or_all(blobs: S3Blobs) -> None:
    data = some_bytes(PART + 5)
    ends = []
    for steps in range(0, 60, 3):
        task = asyncio.ensure_future(put(blobs, f"c{steps}", data, PART // 2))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        kept = await get(blobs, f"c{steps}")
        assert kept in (None, data)
        assert task.cancelled() or kept == data
        ends.append(kept is None)
    assert any(ends)


async def test_hubs_that_put_different_bytes_at_once_agree_which_are_there(blobs: S3Blobs, other: S3Blobs) -> None:
    for n in range(40):
        answers = await asyncio.gather(put(blobs, f"s{n}", b"one"), put(other, f"s{n}", b"two"), return_exceptions=True)
        (refusal,) = [one for one in answers if isinstance(one, BaseException)]
        assert isinstance(refusal, InvalidArguments)
        wanted = b"two" if answers[0] is refusal else b"one"
        assert await get(blobs, f"s{n}") == await get(other, f"s{n}") == wanted


async def test_damage_is_told_never_read_as_whole_and_may_be_written_over(blobs: S3Blobs, s3: str) -> None:
    raw, data = Bucket(place_of(s3)), some_bytes(WINDOW + 99)
    for name, damage in DAMAGES.items():
        await put(blobs, name, data)
        end, about = await raw.end(name, len(data) + 32)
        assert about["size"] == len(data) + 32
        await raw.put(name, damage(end))
        with pytest.raises(DataDamaged, match=f"blob {name} is damaged"):
            await rest(await blobs.open(name))
        if name != "flipped":
            with pytest.raises(DataDamaged):
                await blobs.stat(name)
            await put(blobs, name, data)
            assert await get(blobs, name) == data
        assert await blobs.delete([name]) == 1
        assert await get(blobs, name) is None


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": lambda raw: raw[:99] + bytes([raw[99] ^ 1]) + raw[100:],
    "cut": lambda raw: raw[:-1],
    "short": lambda raw: raw[:20],
    "empty": lambda raw: b"",
    "longer": lambda raw: raw + b"\0",
    "zeros": lambda raw: raw[:-32] + bytes(32),
}


async def test_one_that_is_another_meanwhile_is_not_read_on(blobs: S3Blobs, other: S3Blobs) -> None:
    for after in ("nothing", "another"):
        await put(blobs, "a", some_bytes(4 * WINDOW))
        async with await blobs.open("a") as reader:
            await anext(reader)
            await other.delete(["a"])
            if after == "another":
                await put(other, "a", some_bytes(4 * WINDOW, 1))
            with pytest.raises(RefNotFound, match="there is no blob a: it was deleted"):
                await rest(reader)
        await blobs.delete(["a"])


async def test_what_else_lies_there_is_left_alone(blobs: S3Blobs, s3: str) -> None:
    await put(blobs, "b", b"x")
    raw = Bucket(place_of(s3))
    for key in ("NOTES.txt", "a.b", "folder/file"):
        await raw.put(key, b"x")
    assert [one.id for one in await blobs.list()] == ["b"]
    assert (await blobs.usage()).blobs == 1
    assert await blobs.delete(["notes"]) == 0


async def test_a_large_deletion_is_counted(blobs: S3Blobs) -> None:
    for n in range(50):
        await put(blobs, f"d{n}", b"x")
    assert await blobs.delete([f"d{n}" for n in range(0, 100, 2)] * 2) == 25
    assert (await blobs.usage()).blobs == 25


async def test_what_a_bucket_can_t_take_is_refused_before_it_is_sent(
    blobs: S3Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writing.LARGEST == 10_000 * PART - 32
    monkeypatch.setattr(writing, "LARGEST", 2 * PART)
    writer = await blobs.begin("a")
    await writer.write(bytes(2 * PART))
    with pytest.raises(OutOfSpace, match="takes no blob of more than"):
        await writer.write(b"x")
    await refused(Unavailable, writer.commit(-1, ""), "is closed")


# -- what goes wrong with servers ------------------------------------------------------------------------------------


async def every_verb(blobs: S3Blobs) -> list[FarhandError]:
    """The errors that all verbs end with."""
    writer = await blobs.begin("b")

    async def large() -> None:
        async with await blobs.begin("c") as writer:
            await writer.write(bytes(2 * PART))
            await writer.commit(-1, "")

    asked: list[Any] = [blobs.stat("a"), blobs.open("a"), blobs.delete(["a"]), blobs.list(), blobs.usage()]
    asked += [writer.commit(0, ""), large()]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, FarhandError) for one in answers), answers
    return [one for one in answers if isinstance(one, FarhandError)]


def well_told(errors: list[FarhandError], *words: str) -> None:
    """All of them are `Unavailable`, say these words, and no secret."""
    for error in errors:
        assert isinstance(error, Unavailable), error
        assert all(word in str(error) for word in words), error
        assert SECRET not in str(error)
        assert "someone" not in str(error)
        assert len(str(error)) < 400
        assert error.__cause__ is None
        assert error.__suppress_context__


async def test_who_may_only_read_is_told_so(s3_server: S3Server, blobs: S3Blobs, s3: str) -> None:
    await put(blobs, "a", b"x")
    prefix = place_of(s3).prefix
    reader = S3Blobs(s3_server.url(prefix, key=READER, secret=READER_SECRET))
    assert await get(reader, "a") == b"x"
    denied = ("lets us not in", "AccessDenied", "AWS_ACCESS_KEY_ID", "read, write, list and delete")
    well_told([await refused(Unavailable, put(reader, "b", b"x"))], *denied)
    well_told([await refused(Unavailable, put(reader, "b", bytes(2 * PART)))], *denied)
    well_told([await refused(Unavailable, reader.delete(["a"]))], *denied)
    await reader.close()


async def test_wrong_credentials_are_told(s3_server: S3Server) -> None:
    for given, code in (({"secret": f"{SECRET}x"}, "Signature"), ({"key": "someone"}, "InvalidAccessKeyId")):
        blobs = S3Blobs(s3_server.url("x", **given))
        errors = await every_verb(blobs)
        well_told(errors, "lets us not in", "AWS_SECRET_ACCESS_KEY")
        assert code in str(errors[0])
        assert not any(error.retryable for error in errors)
        await blobs.close()


async def test_a_bucket_that_is_not_there_is_told(s3_server: S3Server) -> None:
    blobs = S3Blobs(s3_server.url("x", bucket="no-such-bucket"))
    well_told(await every_verb(blobs), "there is no bucket 'no-such-bucket'", "create it, or name another with --blobs")
    await blobs.close()


async def test_a_server_that_is_away_is_told(s3_server: S3Server) -> None:
    (port,) = free_ports(1)
    blobs = S3Blobs(s3_server.url("x").replace(s3_server.endpoint.rpartition(":")[2], str(port)))
    errors = await every_verb(blobs)
    well_told(errors, "can't be reached", f"127.0.0.1:{port}", "look whether it runs")
    assert all(error.retryable for error in errors)
    await blobs.close()


async def test_a_server_that_dies_in_the_middle_is_told_and_nothing_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "TRIES", 1)
    with serving(tmp_path) as server:
        blobs = S3Blobs(server.url("x"))
        await put(blobs, "a", some_bytes(4 * WINDOW))
        reader, writer = await blobs.open("a"), await blobs.begin("b")
        await anext(reader)
        await writer.write(some_bytes(PART))
        server.process.kill()
        await asyncio.to_thread(server.process.wait, 20)
        well_told([await refused(Unavailable, rest(reader))], "can't be reached")

        async def on() -> None:
            for _ in range(20):
                await writer.write(some_bytes(PART))

        well_told([await refused(Unavailable, on())], "can't be reached")
        await refused(Unavailable, writer.commit(-1, ""), "is closed")
        async with asyncio.timeout(20):
            await blobs.close()


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """A server that answers everything so."""
    body = f"<Error><Code>{code}</Code><Message>the key of someone is {SECRET}</Message></Error>".encode()

    class Answers(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *given: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (507, "XMinioStorageFull", OutOfSpace, "is full (507, XMinioStorageFull): delete what isn't needed there"),
        (403, "QuotaExceeded", OutOfSpace, "is full (403, QuotaExceeded): delete what isn't needed there, raise its"),
        (503, "SlowDown", Unavailable, "can't be reached (503, SlowDown)"),
        (500, "InternalError", Unavailable, "can't be reached (500, InternalError)"),
        (403, "ExpiredToken", Unavailable, "lets us not in (403, ExpiredToken)"),
        (401, "Whatever", Unavailable, "lets us not in (401, Whatever)"),
        (301, "PermanentRedirect", Unavailable, "and at endpoint= and region= in the URL"),
    ],
)
async def test_what_a_server_answers_is_told_by_its_code_only(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type[FarhandError], text: str
) -> None:
    monkeypatch.setattr(buckets, "TRIES", 0)
    with answering(status, code) as endpoint:
        blobs = S3Blobs(f"s3://bucket/x?endpoint={endpoint}&access_key_id=someone&secret_access_key={SECRET}")
        error = await refused(kind, put(blobs, "a", b"x"), text)
        assert SECRET not in str(error)
        assert "someone" not in str(error)
        await blobs.close()


async def test_credentials_and_server_come_from_the_usual_variables(
    s3_server: S3Server, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", place.given["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", place.given["secret_access_key"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    blobs = S3Blobs(f"s3://{place.bucket}/{place.prefix}")
    await put(blobs, "a", b"x")
    assert await get(blobs, "a") == b"x"
    await blobs.close()


MEASURED = """
import asyncio, resource, sys
from farhand.engines.s3.blobs import S3Blobs

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main():
    blobs, piece = S3Blobs(sys.argv[1]), bytes(512 * 1024)
    async with await blobs.begin("warm") as writer:
        await writer.write(piece)
        await writer.commit(-1, "")
    before = peak()
    async with await blobs.begin("a") as writer:
        for _ in range(512):
            await writer.write(piece)
        kept = await writer.commit(256 * 1024 * 1024, "")
    written = peak()
    size = 0
    async with await blobs.open("a") as reader:
        async for part in reader:
            size += len(part)
    assert size == kept.size
    await blobs.delete(["a", "warm"])
    await blobs.close()
    print(written - before, peak() - before)

asyncio.run(main())
"""


def test_256_mib_pass_in_constant_memory(s3: str) -> None:
    done = subprocess.run((sys.executable, "-c", MEASURED, s3), cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    written, read = map(int, done.stdout.split())
    assert written <= 64, f"{written} MiB while it was written"
    assert read <= 64, f"{read} MiB after it was read too"


# -- URLs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "s3:",
        "s3://",
        "s3:///prefix",
        "s3://B/prefix",
        "s3://ab",
        "s3://user:secret@bucket/x",
        "s3://bucket/a//b",
        "s3://bucket/../x",
        "s3://bucket/a/./b",
        "s3://bucket/a b",
        "s3://bucket/%2e%2e/x",
        "s3://bucket/x#y",
        "s3://bucket/x?what=1",
        "s3://bucket/x?region",
        "s3://bucket/x?region=a&region=b",
        "s3://bucket/x?endpoint=ftp://host",
        "s3://bucket/x?endpoint=http://u:secret@host",
        "s3://bucket/x?endpoint=http://host/?a=b",
        "s3://bucket/x?virtual_hosted=yes",
        "s3://bucket/x?secret_access_key=secret&nonsense=1",
        "s3://[::1/x",
        "https://bucket/x",
    ],
)
def test_a_url_that_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(InvalidArguments, match="can't be a store of blobs") as caught:
        place_of(url, {})
    assert "=secret" not in str(caught.value)
    assert ":secret" not in str(caught.value)


def test_a_url_says_where_and_hides_its_secrets() -> None:
    place = place_of("s3://bucket/a/b%3D/?region=eu-west-1&secret_access_key=secret&virtual_hosted=on", {})
    assert (place.bucket, place.prefix, place.endpoint) == ("bucket", "a/b=", "")
    assert place.shown == "s3://bucket/a/b="
    assert place_of("s3://bucket", {"AWS_ENDPOINT_URL": "http://h:1/"}).shown == "s3://bucket at http://h:1"
    assert place_of("s3://bucket?endpoint=https://x", {"AWS_ENDPOINT_URL": "http://h:1"}).endpoint == "https://x"


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again, at leisure, until it holds."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
