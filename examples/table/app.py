"""Clean a CSV of any size and sum it up, in constant memory. In this folder:

farhand dev app.py
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

import farhand

COLUMNS = {"order": pa.int64(), "date": pa.string(), "shop": pa.string(), "quantity": pa.string(), "price": pa.string()}
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d %b %Y")
NUMBER = r"^[0-9]{1,9}(\.[0-9]{1,2})?$"
MONEY = pa.decimal128(38, 2)
RECENT = 100_000
"""A row that comes again is found if it does so within so many rows."""

app = farhand.App()


@dataclass
class Sofar:
    """How it stands: rows that were read, rows that were left out, and the sum of all others."""

    rows: int = 0
    repeated: int = 0
    unreadable: int = 0
    revenue: Decimal = Decimal(0)


@app.handler
def summarise(ctx: farhand.Context, sales: farhand.File, block: int = 1 << 20) -> Generator[Sofar, None, pa.Table]:
    """Orders and revenue by month and shop. A chunk says how it stands, each `block` bytes; the table comes last."""
    sofar, recent = Sofar(), np.empty(0, np.int64)
    totals = pa.schema(
        {"month": pa.string(), "shop": pa.string(), "orders": pa.int64(), "revenue": MONEY}
    ).empty_table()
    with sales.open() as file:
        names = file.readline().decode("utf-8-sig").strip().split(",")
        while lines := file.read(block) + file.readline():
            read = parsed(lines, names)
            new, recent = first_times(read["order"].to_numpy(), recent)
            rows = cleaned(read.filter(new))
            totals = summed(pa.concat_tables([totals, rows]))
            sofar.rows += len(read)
            sofar.repeated += len(read) - int(new.sum())
            sofar.unreadable += int(new.sum()) - len(rows)
            sofar.revenue = pc.sum(totals["revenue"]).as_py() or Decimal(0)
            ctx.progress(file.tell(), sales.size, f"{sofar.rows:,} rows")
            yield sofar
    return totals.sort_by([("month", "ascending"), ("shop", "ascending")])


def parsed(lines: bytes, names: list[str]) -> pa.Table:
    """Lines of CSV, as text but for the order's number."""
    reading = csv.ReadOptions(column_names=names)
    return csv.read_csv(pa.BufferReader(lines), reading, convert_options=csv.ConvertOptions(column_types=COLUMNS))


def first_times(orders: np.ndarray, recent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which orders are neither among the recent ones nor earlier here; and what is recent from now on."""
    every = np.concatenate([recent, orders])
    new = np.zeros(len(every), bool)
    new[np.unique(every, return_index=True)[1]] = True
    return new[len(recent) :], every[-RECENT:]


def cleaned(read: pa.Table) -> pa.Table:
    """A row an order, with its month, shop and revenue; without those of which something can't be read."""
    dates = [pc.strptime(read["date"], form, unit="s", error_is_null=True) for form in DATES]
    return pa.table(
        {
            "month": pc.strftime(pc.coalesce(*dates), "%Y-%m"),
            "shop": pc.utf8_lower(pc.utf8_trim_whitespace(read["shop"])),
            "orders": pa.repeat(1, len(read)),
            "revenue": pc.multiply(number(read["quantity"]), number(read["price"])).cast(MONEY),
        }
    ).drop_null()


def number(texts: pa.Array) -> pa.Array:
    """Numbers as 1,234.50 is one; null for what is none."""
    plain = pc.replace_substring(pc.utf8_trim_whitespace(texts), ",", "")
    return pc.if_else(pc.match_substring_regex(plain, NUMBER), plain, None).cast(pa.decimal128(13, 2))


def summed(table: pa.Table) -> pa.Table:
    """A row for each month and shop."""
    sums = table.group_by(["month", "shop"]).aggregate([("orders", "sum"), ("revenue", "sum")])
    return sums.rename_columns(["month", "shop", "orders", "revenue"])
