"""process_large_dataset: a CSV file of any size, so many rows at a time, in constant memory."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Literal

from farhand.kits.snakepit.streams.pausing import check
from farhand.worker import usage
from farhand.worker.context import Context

Operation = Literal["clean", "transform", "aggregate"]
EVERY: list[Operation] = ["clean", "transform", "aggregate"]
BLOCK = 1024 * 1024
ROWS_LIMIT = 1_000_000
"""Rows of one chunk."""
COLUMNS_LIMIT = 10_000


def process_large_dataset(
    ctx: Context, file_path: str, chunk_size: int = 10_000, operations: list[Operation] = EVERY
) -> Iterator[dict[str, Any]]:
    """Read a CSV file with a header, in UTF-8, and do what `operations` say to each row:

    - ``clean``: cells lose the blanks around them; rows with a cell too few or too many, or an empty one, are skipped.
    - ``transform``: the cells of number columns become numbers; a row where one isn't a finite number is an error, and
      skipped. A number column is one whose cell in the first row that gets here is a number.
    - ``aggregate``: count, sum, min, max, mean and std (of the population) of each number column.

    Chunks: `processed_rows` so far, `total_rows` of the file, `progress_percent`, `chunk_number` from 1, `chunk_size`
    (its rows), `memory_usage_mb` of this process. The last also has `final_stats`: `processed` (rows kept), `skipped`,
    `errors` (those of them that broke a number or can't be read as CSV), and `columns` where they are aggregated.

    Raises:
        ValueError: the file has no header, or `chunk_size` makes no sense.
        OSError: it can't be read.
    """
    if not 1 <= chunk_size <= ROWS_LIMIT:
        raise ValueError(f"chunk_size must be 1 to {ROWS_LIMIT:,} rows, not {chunk_size}")
    total = max(0, sum(_line_ends(ctx, file_path)) - 1)
    with open(file_path, encoding="utf-8-sig", errors="replace", newline="") as file:
        table = _Table(csv.reader(file), operations)
        batch, number = table.take(chunk_size), 0
        while True:
            check(ctx)
            following = table.take(chunk_size) if batch else []
            number += 1
            table.add(batch)
            total = max(total, table.read)
            chunk = {
                "processed_rows": table.read,
                "total_rows": total,
                "progress_percent": round(100 * table.read / total, 1) if total else 100.0,
                "chunk_number": number,
                "chunk_size": len(batch),
                "memory_usage_mb": round(usage.memory() / 2**20, 1),
                "is_final": not following,
            }
            if not following:
                yield {**chunk, "progress_percent": 100.0, "total_rows": table.read, "final_stats": table.stats()}
                return
            yield chunk
            batch = following


def _line_ends(ctx: Context, path: str) -> Iterator[int]:
    """How many rows end in each block of a file: what is in quotes ends none. A last one without an end counts too."""
    quoted, last = False, b"\n"
    with open(path, "rb") as file:
        if os.path.isdir(path):
            raise IsADirectoryError(path)
        while block := file.read(BLOCK):
            check(ctx)
            parts = block.split(b'"')
            yield sum(part.count(b"\n") for part in parts[int(quoted) :: 2])
            quoted ^= len(parts) % 2 == 0
            last = block[-1:]
    if last != b"\n":
        yield 1


class _Table:
    """The rows of a CSV file, and what was found in them. `read` is how many were taken in."""

    def __init__(self, reader: Any, operations: Iterable[Operation]) -> None:
        self._reader = reader
        self._operations = frozenset(operations)
        self.read = self._kept = self._skipped = self._errors = 0
        self._columns: dict[int, _Column] | None = None
        header = next(reader, None)
        if not header or len(header) > COLUMNS_LIMIT:
            raise ValueError(f"a CSV file begins with a header of 1 to {COLUMNS_LIMIT:,} columns; this one doesn't")
        self._header: list[str] = header

    def take(self, count: int) -> list[list[str] | None]:
        """The next rows, None for one that can't be read."""
        return list(islice(self._rows(), count))

    def _rows(self) -> Iterator[list[str] | None]:
        while True:
            try:
                yield next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                yield None

    def add(self, rows: list[list[str] | None]) -> None:
        """Take rows in."""
        for row in rows:
            self.read += 1
            if row is None:
                self._errors += 1
            elif self._add(row):
                self._kept += 1
                continue
            self._skipped += 1

    def _add(self, row: list[str]) -> bool:
        """Whether it is kept."""
        if "clean" in self._operations:
            row = [cell.strip() for cell in row]
            if len(row) != len(self._header) or not all(row):
                return False
        if not self._operations & {"transform", "aggregate"}:
            return True
        if self._columns is None:
            self._columns = {at: _Column() for at, cell in enumerate(row) if _number(cell) is not None}
        numbers = [(column, _number(row[at]) if at < len(row) else None) for at, column in self._columns.items()]
        if any(number is None for _, number in numbers):
            self._errors += 1
            return False
        if "aggregate" in self._operations:
            for column, number in numbers:
                assert number is not None
                column.add(number)
        return True

    def stats(self) -> dict[str, Any]:
        """What was found."""
        found: dict[str, Any] = {"processed": self._kept, "skipped": self._skipped, "errors": self._errors}
        if "aggregate" in self._operations:
            columns = (self._columns or {}).items()
            found["columns"] = {self._header[at]: one.stats() for at, one in columns if at < len(self._header)}
        return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class _Column:
    """A column's statistics, by Welford's method: it keeps digits that a sum of squares would lose."""

    __slots__ = ("_count", "_max", "_mean", "_min", "_spread", "_sum")

    def __init__(self) -> None:
        self._count, self._sum, self._mean, self._spread = 0, 0.0, 0.0, 0.0
        self._min, self._max = math.inf, -math.inf

    def add(self, value: float) -> None:
        """Take a value in."""
        self._count += 1
        self._sum += value
        away = value - self._mean
        self._mean += away / self._count
        self._spread += away * (value - self._mean)
        self._min, self._max = min(self._min, value), max(self._max, value)

    def stats(self) -> dict[str, Any]:
        """What was found; None for what nothing says."""
        if not self._count:
            return {"count": 0, "sum": 0.0, "min": None, "max": None, "mean": None, "std": None}
        std = math.sqrt(max(0.0, self._spread / self._count))
        return {
            "count": self._count,
            "sum": self._sum,
            "min": self._min,
            "max": self._max,
            "mean": self._mean,
            "std": std,
        }
