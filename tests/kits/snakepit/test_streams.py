"""The six streams, each over real data, as a pool calls them."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from farhand.kits.snakepit.streams import app
from farhand.kits.snakepit.streams.inference import TRAINED_ON
from farhand.worker.links.snakepit import Commands
from tests.conftest import Eventually
from tests.worker.serving import asked
from tests.worker.snakepit.calling import Pool, pooled


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with pooled(Commands(app=app)) as (pool, _):
        yield pool


def values(message: Any) -> dict[str, Any]:
    """A chunk's values; texts stay as they are."""
    found = {}
    for name, value in message.chunk.items():
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value.decode()
    return found


async def said(pool: Pool, command: str, **args: Any) -> list[dict[str, Any]]:
    """The chunks of a stream that ended well."""
    messages = await pool.stream(command, **args)
    assert [one.error for one in messages] == [""] * len(messages)
    assert [one.is_final for one in messages] == [False] * (len(messages) - 1) + [True] * bool(messages)
    return [values(one) for one in messages]


async def refused(pool: Pool, command: str, **args: Any) -> str:
    """What a stream says that fails."""
    return str((await pool.stream(command, **args))[-1].error)


async def test_pings_are_counted_and_spaced(pool: Pool) -> None:
    assert await said(pool, "ping_stream", count=0) == []
    began = time.monotonic()
    pings = await said(pool, "ping_stream", count=3, interval=0.15)
    assert time.monotonic() - began >= 0.3
    assert [(one["ping_number"], one["message"]) for one in pings] == [(n, f"Ping {n} of 3") for n in (1, 2, 3)]
    assert pings[0].keys() == {"ping_number", "timestamp", "message"}
    assert "count" in await refused(pool, "ping_stream", count=-1)


async def test_digits_that_were_not_seen_are_told(pool: Pool) -> None:
    labels = load_digits().target[TRAINED_ON:]
    found = await said(pool, "batch_inference")
    right = sum(one["prediction"] == label for one, label in zip(found, labels, strict=True))
    assert right / len(labels) > 0.95
    assert found[0].keys() == {"item", "prediction", "confidence", "processed_at"}
    assert all(0 < one["confidence"] <= 100 for one in found)


async def test_items_of_every_kind(pool: Pool, tmp_path: Path) -> None:
    from PIL import Image

    digits = load_digits()
    image, label = digits.images[TRAINED_ON], int(digits.target[TRAINED_ON])
    np.save(tmp_path / "one.npy", image)
    Image.fromarray((image * 255 / 16).round().astype("uint8")).save(tmp_path / "one.png")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    good = [0, image.tolist(), image.ravel().tolist(), str(tmp_path / "one.npy"), str(tmp_path / "one.png")]
    bad = [597, -1, [1, 2], [99] * 64, str(tmp_path / "none.npy"), str(tmp_path / "objects.npy"), True, None, {}]
    found = await said(pool, "batch_inference", model_path="digits", batch_items=[*good, *bad])
    assert [one["prediction"] for one in found] == [label] * len(good) + [None] * len(bad)
    assert all(one["error"] for one in found[len(good) :])
    assert "there is no model" in await refused(pool, "batch_inference", model_path="resnet50.pkl")


def table(path: Path, rows: int) -> dict[str, float]:
    """Write a CSV with known faults: what its sound rows sum up to."""
    rng = random.Random(1)
    amounts = []
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "amount", "note"])
        for number in range(rows):
            amount = round(rng.uniform(-100, 100), 3)
            if number % 100 == 7:
                writer.writerow([number, "", "none"])  # an empty cell
            elif number % 100 == 9:
                writer.writerow([number, "n/a", "no number"])
            elif number % 100 == 11:
                writer.writerow([number, amount])  # a cell too few
            else:
                amounts.append(amount)
                writer.writerow([number, f" {amount} ", 'two\nlines, "quoted"'])
    found = np.array(amounts)
    return {"count": len(found), "sum": found.sum(), "mean": found.mean(), "std": found.std(), "min": found.min()}


async def test_a_table_is_processed(pool: Pool, tmp_path: Path) -> None:
    truth = table(tmp_path / "t.csv", 2500)
    found = await said(pool, "process_large_dataset", file_path=str(tmp_path / "t.csv"), chunk_size=1000)
    assert [one["processed_rows"] for one in found] == [1000, 2000, 2500]
    assert [one["progress_percent"] for one in found] == [40, 80, 100]
    assert {one["total_rows"] for one in found} == {2500}
    assert [one["chunk_size"] for one in found] == [1000, 1000, 500]
    assert all(one["memory_usage_mb"] > 1 for one in found)
    stats = found[-1]["final_stats"]
    assert "final_stats" not in found[0]
    assert (stats["processed"], stats["skipped"], stats["errors"]) == (truth["count"], 75, 25)
    amount = stats["columns"]["amount"]
    assert {name: amount[name] for name in truth} == pytest.approx(truth)
    assert stats["columns"].keys() == {"id", "amount"}


async def test_what_operations_leave_out(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n,\nx,3\n")
    path = str(tmp_path / "t.csv")
    (none,) = await said(pool, "process_large_dataset", file_path=path, operations=[])
    assert none["final_stats"] == {"processed": 3, "skipped": 0, "errors": 0}
    (clean,) = await said(pool, "process_large_dataset", file_path=path, operations=["clean"])
    assert clean["final_stats"] == {"processed": 2, "skipped": 1, "errors": 0}
    (tmp_path / "t.csv").write_text("a,b\n")
    (empty,) = await said(pool, "process_large_dataset", file_path=path)
    assert (empty["processed_rows"], empty["progress_percent"]) == (0, 100)
    (tmp_path / "t.csv").write_text("")
    assert "header" in await refused(pool, "process_large_dataset", file_path=path)
    assert "operations" in await refused(pool, "process_large_dataset", file_path=path, operations=["fly"])
    assert await refused(pool, "process_large_dataset", file_path=str(tmp_path))


_PEAK = """
import resource, sys
from types import SimpleNamespace
from farhand.kits.snakepit.streams.dataset import process_large_dataset
ctx = SimpleNamespace(cancelled=False)
for chunk in process_large_dataset(ctx, sys.argv[1], 5000): pass
print(chunk["processed_rows"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_table_ten_times_as_large_takes_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for rows in (30_000, 300_000):
        with (tmp_path / "t.csv").open("w") as file:
            file.write("id,amount,note\n")
            file.writelines(f"{number},{number}.5,{'x' * 60}\n" for number in range(rows))
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, str(tmp_path / "t.csv")],
            capture_output=True,
            text=True,
            check=True,
            timeout=50,
        )
        read, peak = done.stdout.split()
        assert int(read) == rows
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < 4096  # KiB; the larger file has 22 MiB


async def test_a_log_is_followed_as_it_grows_and_rotates(pool: Pool, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("start\n2025-01-20T15:30:45 ERROR: no database\n")
    call = pool.opened("tail_and_analyze", log_path=str(log), patterns=[r"\bERROR\b", "FATAL"], context_lines=2)

    async def entry() -> dict[str, Any]:
        return values(await asyncio.wait_for(call.read(), 20))

    first = await entry()
    assert (first["severity"], first["timestamp"]) == ("ERROR", "2025-01-20T15:30:45")
    assert first["log_line"] == first["log_entry"] == "2025-01-20T15:30:45 ERROR: no database"
    assert (first["pattern_matched"], first["entry_number"], first["context"]) == (r"\bERROR\b", 1, ["start"])
    with log.open("a") as file:
        file.write("one\ntwo\nthree\nFAT")
        file.flush()
        file.write("AL: memory\n")
    second = await entry()
    assert (second["severity"], second["log_line"], second["context"]) == ("FATAL", "FATAL: memory", ["two", "three"])
    log.rename(tmp_path / "app.log.1")
    with (tmp_path / "app.log.1").open("a") as file:
        file.write("ERROR late\n")
    log.write_text("ERROR in the new one\n")
    assert [(await entry())["log_line"] for _ in range(2)] == ["ERROR late", "ERROR in the new one"]
    log.write_text("ERROR cut\n")  # shorter than before: from its start
    assert (await entry())["log_line"] == "ERROR cut"
    call.cancel()


async def test_how_a_tail_ends(pool: Pool, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("a WARNING\nERROR " + "x" * 20_000 + "\nno end ERROR")
    *entries, last = await said(pool, "tail_and_analyze", log_path=str(log), follow=False)
    assert [one["severity"] for one in entries] == ["WARN", "ERROR", "ERROR"]
    assert len(entries[1]["log_line"]) < 8300
    assert last == {"entries": 3, "lines_read": 3, "rotations": 0, "ended": "end"}
    *_, idle = await said(pool, "tail_and_analyze", log_path=str(log), idle_seconds=0.2, from_start=False)
    assert (idle["ended"], idle["entries"]) == ("idle", 0)
    *_, late = await said(pool, "tail_and_analyze", log_path=str(log), timeout_ms=1200)
    assert late["ended"] == "deadline"
    assert "pattern" in await refused(pool, "tail_and_analyze", log_path=str(log), patterns=["("])
    assert await refused(pool, "tail_and_analyze", log_path=str(tmp_path / "none"))


async def test_training_learns_and_its_model_predicts(pool: Pool, tmp_path: Path) -> None:
    path = str(tmp_path / "model.npz")
    config = {"epochs": 4, "batch_size": 64, "workers": 2, "output": path, "seed": 1}
    *epochs, last = await said(pool, "distributed_training", training_config=config, model_config={"hidden_size": 24})
    assert [one["epoch"] for one in epochs] == [1, 2, 3, 4]
    assert epochs[0].keys() >= {"train_loss", "val_loss", "train_acc", "val_acc", "learning_rate"}
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"] / 3
    assert last["best_val_accuracy"] == max(one["val_acc"] for one in epochs) > 0.9
    assert last["final_model_path"] == path
    with np.load(path, allow_pickle=False) as saved:
        assert saved["sizes"].tolist() == [64, 24, 10]
    found = await said(pool, "batch_inference", model_path=path)
    labels = load_digits().target[TRAINED_ON:]
    assert sum(one["prediction"] == label for one, label in zip(found, labels, strict=True)) / len(labels) > 0.9


async def test_training_by_several_is_that_by_one(pool: Pool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.normal(size=(60, 3)), y=np.arange(60) % 2)
    runs = [
        await said(
            pool,
            "distributed_training",
            dataset_path=str(tmp_path / "d.npz"),
            training_config={"epochs": 3, "batch_size": 7, "workers": workers},
        )
        for workers in (1, 3)
    ]
    for one, three in zip(runs[0][:-1], runs[1][:-1], strict=True):
        assert one["train_loss"] == pytest.approx(three["train_loss"], rel=1e-9)
        assert one["val_loss"] == pytest.approx(three["val_loss"], rel=1e-9)


async def test_training_that_can_not_be(pool: Pool, tmp_path: Path) -> None:
    assert "architecture" in await refused(pool, "distributed_training", model_config={"architecture": "transformer"})
    assert "epochs" in await refused(pool, "distributed_training", training_config={"epochs": 0})
    assert "no data set" in await refused(pool, "distributed_training", dataset_path="x.pkl")
    assert ".npz" in await refused(pool, "distributed_training", training_config={"output": "m.pkl"})
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object), y=np.zeros(1))
    assert "pickle" in await refused(pool, "distributed_training", dataset_path=str(tmp_path / "o.npz"))


def children(command: str) -> list[int]:
    """Processes below this one whose command line has this in it."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if command.encode() in (folder / "cmdline").read_bytes():
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if parent == str(os.getpid()):
                    found.append(int(folder.name))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")
async def test_training_that_is_cancelled_or_broken_leaves_no_process(pool: Pool, eventually: Eventually) -> None:
    config = {"epochs": 10_000, "workers": 2}
    call = pool.opened("distributed_training", training_config=config)
    await asyncio.wait_for(call.read(), 30)
    assert len(children("streams.shard")) == 2
    call.cancel()

    async def gone() -> bool:
        await asyncio.sleep(0.02)
        return not children("streams.shard")

    await eventually(gone)
    call = pool.opened("distributed_training", training_config=config)
    await asyncio.wait_for(call.read(), 30)
    os.kill(children("streams.shard")[0], signal.SIGKILL)
    async with asyncio.timeout(30):
        while not (message := await call.read()).is_final:
            pass
    assert "training process" in message.error
    assert children("streams.shard") == []


def feed(path: Path, prices: list[float], volumes: list[int] | None = None) -> None:
    rows = zip(prices, volumes or [1000] * len(prices), strict=True)
    lines = [f"2025-01-{n + 1:02},ACME,{price},{volume}" for n, (price, volume) in enumerate(rows)]
    path.write_text("date,symbol,close,volume\n" + "\n".join(lines) + "\n")


async def test_prices_are_analysed(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    feed(path, [100.0 - n for n in range(30)], [1000] * 25 + [5000] + [1000] * 4)
    with path.open("a") as file:
        file.write('x,OTHER,1,1\nx,ACME,oops,1\n,,\n"\n')
    found = await said(
        pool,
        "realtime_stock_analysis",
        feed=str(path),
        symbols=["ACME"],
        indicators=["RSI", "MACD", "SMA_5"],
        alert_thresholds={"volume_spike": 3},
    )
    assert [one["price"] for one in found] == [100.0 - n for n in range(30)]
    assert found[0]["symbol"] == "ACME"
    assert found[0]["rsi"] is None
    assert (found[14]["rsi"], found[14]["trading_signal"], found[14]["alerts"]) == (0, "BUY", ["rsi_oversold"])
    assert found[4]["sma_5"] == 98
    assert found[25]["alerts"] == ["rsi_oversold", "volume_spike"]
    assert found[25]["macd"] == pytest.approx(-7, abs=0.2)
    assert "isn't known" in await refused(pool, "realtime_stock_analysis", feed=str(path), indicators=["ADX"])
    assert "is missing" in await refused(pool, "realtime_stock_analysis", symbols=["ACME"])


async def test_a_feed_is_followed(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    feed(path, [1.0])
    call = pool.opened("realtime_stock_analysis", feed=str(path), follow=True, idle_seconds=1.0)
    assert values(await asyncio.wait_for(call.read(), 20))["price"] == 1
    with path.open("a") as file:
        file.write("x,ACME,2,1\n")
    assert values(await asyncio.wait_for(call.read(), 20))["price"] == 2
    last = await asyncio.wait_for(call.read(), 20)
    assert (last.is_final, values(last)) == (True, {"rows": 2, "skipped": 0, "ended": "idle"})


async def test_a_farhand_worker_serves_them_too(tmp_path: Path) -> None:
    async with asked(app) as client:
        pings = [one async for one in client.stream("ping_stream", {"count": 2, "interval": 0})]
        assert [one["is_final"] for one in pings] == [False, True]
        found = [one async for one in client.stream("batch_inference", {"batch_items": [0]})]
        assert found[0]["prediction"] == int(load_digits().target[TRAINED_ON])
