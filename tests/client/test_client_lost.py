"""What the client makes of a hub that is gone, silent, stopping or wrong: a real server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from farhand.client import AsyncClient
from farhand.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidArguments,
    OutcomeUnknown,
    Unavailable,
)
from farhand.model.event import Event, Fault, Kind, Progress
from farhand.model.payload import Media
from farhand.wire.farhand._pb import client_pb2, worker_pb2
from farhand.wire.farhand.bodies import body_of, fault_bytes
from farhand.wire.farhand.outgoing import ToClient
from tests.client.peer import Conversation, Peer

SUCCEEDED, CHUNK, PROGRESS = int(Kind.SUCCEEDED), int(Kind.CHUNK), int(Kind.PROGRESS)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def answer_all(talk: Conversation) -> None:
    while True:
        number, _, _ = await talk.calls.get()
        await talk.say(lambda out, n=number: out.event(n, SUCCEEDED, b"\x07", Media.MSGPACK))  # type: ignore[misc]


async def silence(talk: Conversation) -> None:
    await asyncio.Event().wait()


async def test_no_hub_is_named_within_the_connect_timeout() -> None:
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    async with AsyncClient(address, connect_timeout=0.6) as client:
        with pytest.raises(Unavailable, match=f"{address}.*farhand hub"):
            await client.run("echo")
        with pytest.raises(Unavailable, match=f"{address}.*farhand hub"):
            await client.hub()
    assert time.monotonic() - began < 4


async def test_a_call_that_was_not_sent_waits_for_a_hub_that_comes_later() -> None:
    port = free_port()
    async with AsyncClient(f"127.0.0.1:{port}", connect_timeout=20) as client:
        waiting = asyncio.ensure_future(client.run("echo"))
        await asyncio.sleep(0)
        async with Peer(answer_all, port):
            assert await waiting == 7


async def test_the_time_a_call_waits_for_a_hub_counts() -> None:
    port = free_port()
    async with AsyncClient(f"127.0.0.1:{port}", connect_timeout=20) as client:
        began = time.monotonic()
        waiting = asyncio.ensure_future(client.run("echo", timeout=15))
        await asyncio.sleep(0.3)
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def note(talk: Conversation) -> None:
            number, _, timeout_ms = await talk.calls.get()
            asked.set_result(timeout_ms)
            await talk.say(lambda out: out.event(number, SUCCEEDED, b"\x07", Media.MSGPACK))
            await silence(talk)

        async with Peer(note, port):
            assert await waiting == 7
        assert (await asked) / 1000 <= 15 - 0.3
        assert (await asked) / 1000 >= 15 - (time.monotonic() - began) - 0.01


async def test_a_lost_connection_fails_what_was_sent_and_the_next_call_reconnects() -> None:
    async def hang_up(talk: Conversation) -> None:
        await talk.calls.get()

    port = free_port()
    async with AsyncClient(f"127.0.0.1:{port}", connect_timeout=20) as client:
        async with Peer(hang_up, port):
            with pytest.raises(OutcomeUnknown, match="connection to the hub was lost"):
                await client.run("echo")
        async with Peer(answer_all, port):
            assert await client.run("echo") == 7


async def test_a_hub_that_stops_under_load_leaves_nobody_hanging() -> None:
    port = free_port()
    async with AsyncClient(f"127.0.0.1:{port}", connect_timeout=20) as client:
        for _ in range(3):
            async with Peer(silence, port) as peer:
                calls = [asyncio.ensure_future(client.run("echo", timeout=30)) for _ in range(200)]
                await peer.met.wait()
                for _ in calls:
                    await peer.conversations[0].calls.get()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, OutcomeUnknown) for end in ends)
        async with Peer(answer_all, port):
            assert await client.run("echo") == 7


async def test_a_silent_hub_is_given_up_at_the_deadline_and_told() -> None:
    async with Peer(silence) as peer, AsyncClient(peer.address) as client:
        with pytest.raises(DeadlineExceeded):
            await client.run("echo", timeout=0.1)
        assert await peer.conversations[0].cancels.get() == 1


async def test_a_cancelled_task_cancels_its_job() -> None:
    async with Peer(silence) as peer, AsyncClient(peer.address) as client:
        task = asyncio.ensure_future(client.run("echo"))
        await peer.met.wait()
        await peer.conversations[0].calls.get()
        task.cancel()
        assert await peer.conversations[0].cancels.get() == 1
        assert task.cancelled() or (await asyncio.gather(task, return_exceptions=True))


@pytest.mark.parametrize("kept", [True, False], ids=["the stream is kept", "nobody keeps it"])
async def test_leaving_the_loop_cancels_the_job(kept: bool) -> None:
    async def one_chunk(talk: Conversation) -> None:
        number, _, _ = await talk.calls.get()
        await talk.say(lambda out: out.event(number, CHUNK, b"\x01", Media.MSGPACK, 1))
        await silence(talk)

    async with Peer(one_chunk) as peer, AsyncClient(peer.address) as client:
        stream = client.stream("count")
        chunks = stream.__aiter__()
        if not kept:
            del stream
        async for chunk in chunks:
            assert chunk == 1
            break
        del chunks
        assert await peer.conversations[0].cancels.get() == 1


async def test_a_cancel_gives_its_receipt_while_another_task_reads() -> None:
    async def obey(talk: Conversation) -> None:
        number, _, _ = await talk.calls.get()
        await talk.say(lambda out: out.event(number, CHUNK, b"\x01", Media.MSGPACK, 1))
        await talk.cancels.get()
        fault = fault_bytes(Fault("CANCELLED", "stopped it"), "stopped")
        await talk.say(lambda out: out.event(number, int(Kind.CANCELLED), fault, 0, 1))
        await silence(talk)

    async with Peer(obey) as peer, AsyncClient(peer.address) as client:
        stream = client.stream("count")
        assert await stream.__anext__() == 1
        reader = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        receipt = await stream.cancel()
        assert (receipt.outcome, receipt.message) == ("stopped", "stopped it")
        with pytest.raises(Cancelled):
            await reader


async def test_a_receipt_can_still_be_had_after_leaving_the_loop() -> None:
    async def obey(talk: Conversation) -> None:
        number, _, _ = await talk.calls.get()
        await talk.say(lambda out: out.event(number, CHUNK, b"\x01", Media.MSGPACK, 1))
        await talk.cancels.get()
        fault = fault_bytes(Fault("CANCELLED", "killed it"), "killed")
        await talk.say(lambda out: out.event(number, int(Kind.CANCELLED), fault, 0, 1))
        await silence(talk)

    async with Peer(obey) as peer, AsyncClient(peer.address) as client:
        stream = client.stream("count")
        async for _ in stream:
            break
        assert (await stream.cancel()).outcome == "killed"


async def test_a_cancel_of_what_was_never_sent_says_so() -> None:
    async with AsyncClient(f"127.0.0.1:{free_port()}") as client:
        receipt = await client.stream("count").cancel()
        assert receipt.outcome == "not_started"


@pytest.mark.parametrize(
    ("number", "end"), [(2, 2), (1, 2), (1, 0)], ids=["a chunk is missing", "one too few", "end denies the chunk"]
)
async def test_a_cut_off_stream_never_looks_like_a_success(number: int, end: int) -> None:
    async def cut(talk: Conversation) -> None:
        for _ in range(2):
            call, _, _ = await talk.calls.get()
            await talk.say(lambda out, c=call: out.event(c, CHUNK, b"\x01", Media.MSGPACK, number))  # type: ignore[misc]
            await talk.say(lambda out, c=call: out.event(c, SUCCEEDED, b"", Media.NONE, end))  # type: ignore[misc]
        await silence(talk)

    async with Peer(cut) as peer, AsyncClient(peer.address) as client:
        with pytest.raises(OutcomeUnknown, match="cut off"):
            await client.run("count")
        with pytest.raises(OutcomeUnknown, match="cut off"):
            async for _ in client.stream("count"):
                pass


async def test_an_altered_result_is_not_a_success() -> None:
    async def garble(talk: Conversation) -> None:
        number, _, _ = await talk.calls.get()
        await talk.say(lambda out: out.event(number, SUCCEEDED, b"\xc1", Media.MSGPACK))
        await silence(talk)

    async with Peer(garble) as peer, AsyncClient(peer.address) as client:
        with pytest.raises(OutcomeUnknown, match="can't be read"):
            await client.run("echo")


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xff\xff",
        client_pb2.ChannelFrame(events=client_pb2.CallEvents(call=[1, 2], kind=[8])).SerializeToString(),  # type: ignore[list-item]
        client_pb2.ChannelFrame(welcome=worker_pb2.Welcome(protocol=1)).SerializeToString(),
    ],
    ids=["no frame", "columns of two lengths", "a second welcome"],
)
async def test_a_broken_frame_ends_the_connection_and_the_next_call_has_a_new_one(frame: bytes) -> None:
    broken = False

    async def once(talk: Conversation) -> None:
        nonlocal broken
        if broken:
            await answer_all(talk)
        broken = True
        await talk.calls.get()
        await talk.raw(frame)
        await silence(talk)

    async with Peer(once) as peer, AsyncClient(peer.address) as client:
        with pytest.raises(OutcomeUnknown):
            await client.run("echo")
        assert await client.run("echo") == 7
        assert len(peer.conversations) == 2


async def test_while_the_hub_drains_calls_in_flight_finish_and_new_ones_wait_for_the_next() -> None:
    port = free_port()

    async def drain(talk: Conversation) -> None:
        number, _, _ = await talk.calls.get()
        await talk.say(lambda out: out.draining())
        await talk.say(lambda out: out.event(number, CHUNK, b"\x01", Media.MSGPACK, 1))
        await later.wait()
        assert talk.calls.empty()
        await talk.say(lambda out: out.event(number, SUCCEEDED, b"\x02", Media.MSGPACK, 1))
        await talk.say(lambda out: out.goodbye())

    later = asyncio.Event()
    async with AsyncClient(f"127.0.0.1:{port}", connect_timeout=20) as client:
        async with Peer(drain, port):
            first = client.stream("count")
            assert await first.__anext__() == 1
            new = asyncio.ensure_future(client.run("echo"))
            await asyncio.sleep(0)
            later.set()
            assert [chunk async for chunk in first] == []
            assert first.result == 2
        async with Peer(answer_all, port):
            assert await new == 7


async def test_a_flood_of_progress_that_nobody_reads_stays_bounded() -> None:
    count = 200_000

    async def flood(talk: Conversation) -> None:
        number, _, _ = await talk.calls.get()
        data, _ = body_of(Event(Kind.PROGRESS, progress=Progress(1, 2, "x" * 100)))
        for _ in range(count // 1000):

            def fill(out: ToClient) -> None:
                for _ in range(1000):
                    out.event(number, PROGRESS, data)

            await talk.say(fill)
        await talk.say(lambda out: out.event(number, SUCCEEDED, b"\x07", Media.MSGPACK))
        await silence(talk)

    async with Peer(flood) as peer, AsyncClient(peer.address) as client:
        stream = client.stream("chatty")
        await stream._call.wait_end()
        assert len(stream._call.events) <= 4 * 1024 * 1024 // 164 + 1
        assert [chunk async for chunk in stream] == []
        assert stream.result == 7


async def test_what_cannot_be_sent_is_refused_before_it_harms_other_calls() -> None:
    async with Peer(answer_all) as peer, AsyncClient(peer.address) as client:
        good = asyncio.ensure_future(client.run("echo"))
        for handler in (5, "", "x" * 201, "a b", "\ud800"):
            with pytest.raises(InvalidArguments):
                await client.run(handler)  # type: ignore[arg-type]
        for timeout in (float("nan"), -1):
            with pytest.raises(InvalidArguments, match="timeout"):
                await client.run("echo", timeout=timeout)
        for args in ([1], "text", {"a": object()}):
            with pytest.raises(InvalidArguments):
                await client.run("echo", args)
        with pytest.raises(Unavailable, match="larger than 64 KiB"):
            await client.run("echo", {"a": b"x" * (1 << 20)})
        assert await good == 7
        assert await client.run("echo", timeout=float("inf")) == 7
        assert await client.run("echo", timeout=1e300) == 7


async def test_close_says_goodbye_fails_what_is_left_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with Peer(silence) as peer:
        client = AsyncClient(peer.address)
        call = asyncio.ensure_future(client.run("echo"))
        await peer.met.wait()
        await peer.conversations[0].calls.get()
        await client.close()
        await peer.conversations[0].said_goodbye.wait()
        with pytest.raises(OutcomeUnknown):
            await call
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if "farhand/client" in str(task)} == set()
