"""The rows of a query on stdout, as they come: a table for a person, objects a line, or CSV."""

from __future__ import annotations

import base64
import csv
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from farhand.cli import output
from farhand.wire.values import to_json

LOOK_AT = 100
"""Rows that a table's widths are made of; those after them are cut to these."""
LEAST = 8
"""Columns of the terminal that each of a table's columns gets; where that is too much, each row gets a block."""
GAP = 2


class Printer(ABC):
    """Takes a query's chunks and prints them."""

    def __init__(self) -> None:
        self.count = 0
        self.heads: list[str] = []

    def take(self, chunk: dict[str, Any]) -> None:
        """A chunk, as `sql.query` streams it."""
        if "columns" in chunk:
            self.heads = [one["name"] for one in chunk["columns"]]
            self.begin()
        else:
            self.rows(chunk["rows"])
            self.count += len(chunk["rows"])
        sys.stdout.flush()

    def begin(self) -> None:
        """The columns are known."""
        self.count = 0

    @abstractmethod
    def rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Print some rows."""

    def end(self, result: Any) -> None:
        """All were taken; what the handler gave back."""
        if isinstance(result, dict) and result.get("truncated"):
            output.stderr.print(f"[yellow]truncated[/]: there are more than these {self.count:,} rows", soft_wrap=True)


class JsonPrinter(Printer):
    """An object a line. A name that several columns have gets a number from the second on."""

    def begin(self) -> None:
        used: dict[str, None] = {}
        for name in self.heads:
            unique, number = name, 1
            while unique in used:
                number += 1
                unique = f"{name}_{number}"
            used[unique] = None
        self.heads = list(used)

    def rows(self, rows: Sequence[Sequence[Any]]) -> None:
        heads = self.heads
        lines = [to_json(dict(zip(heads, row, strict=True))) + b"\n" for row in rows]
        sys.stdout.buffer.write(b"".join(lines))


class CsvPrinter(Printer):
    """CSV with a line of names; NULL is empty, bytes are base64, lists are JSON."""

    def begin(self) -> None:
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(self.heads)

    def rows(self, rows: Sequence[Sequence[Any]]) -> None:
        self._writer.writerows([[_as_csv(value) for value in row] for row in rows])


class TablePrinter(Printer):
    """A table; where the terminal is too narrow for it, a block a row."""

    def __init__(self) -> None:
        super().__init__()
        self._first: list[list[str]] = []
        self._widths: list[int] | None = None
        self._shown = 0
        self._blocks = False

    def rows(self, rows: Sequence[Sequence[Any]]) -> None:
        cells = [[_as_cell(value) for value in row] for row in rows]
        if self._widths is not None:
            self._print(cells)
            return
        self._first += cells
        if len(self._first) >= LOOK_AT:
            self._lay_out()

    def end(self, result: Any) -> None:
        if self._widths is None:
            self._lay_out()
        output.stderr.print(f"[dim]{self.count:,} row{'s' * (self.count != 1)}[/]")
        super().end(result)

    def _lay_out(self) -> None:
        heads = [_printable(name) for name in self.heads]
        widths = [max(cell_len(one) for one in column) for column in zip(heads, *self._first, strict=True)]
        room = output.stdout.width - GAP * (len(widths) - 1) if output.for_a_person() else sys.maxsize
        self._blocks = sum(min(width, LEAST) for width in widths) > room
        widths = [min(width, room) for width in widths]
        while sum(widths) > room and not self._blocks:
            widths[widths.index(max(widths))] -= 1
        self._widths = widths
        if not self._blocks and heads:
            self._line(heads, "bold")
        self._print(self._first)
        self._first = []

    def _print(self, rows: Sequence[Sequence[str]]) -> None:
        for row in rows:
            self._shown += 1
            if not self._blocks:
                self._line(row)
                continue
            output.lines(f"row {self._shown:,}", style="bold")
            for head, cell in zip(self.heads, row, strict=True):
                output.lines(f"{_printable(head)}: {cell}", indent=2)

    def _line(self, cells: Sequence[str], style: str | None = None) -> None:
        assert self._widths is not None
        text = (" " * GAP).join(_fitted(cell, width) for cell, width in zip(cells, self._widths, strict=True))
        output.stdout.print(text.rstrip(), markup=False, style=style, soft_wrap=True)


def printer(form: str) -> Printer:
    """What prints in this form: "table", "json" or "csv"."""
    forms: dict[str, Callable[[], Printer]] = {"table": TablePrinter, "json": JsonPrinter, "csv": CsvPrinter}
    return forms[form]()


def tables_as_rows(tables: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What `sql.tables` gives as the chunks of a query."""
    yield {"columns": [{"name": name} for name in ("schema", "table", "kind", "columns")]}
    yield {"rows": [[one["schema"], one["name"], one["kind"], _columns(one["columns"])] for one in tables]}


def _columns(columns: list[dict[str, Any]]) -> str:
    found = []
    for one in columns:
        numbers = [str(number) for number in (one["size"], one.get("scale")) if number is not None]
        found.append(f"{one['name']} {one['type']}{'(' + ', '.join(numbers) + ')' if numbers else ''}".rstrip())
    return ", ".join(found)


def _as_csv(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_json(value).decode() if isinstance(value, list) else value


def _as_cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, str):
        return _printable(value)
    return str(value) if isinstance(value, float) else to_json(value).decode()


def _printable(text: str) -> str:
    """A text whose control characters a terminal doesn't obey."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _fitted(cell: str, width: int) -> str:
    return set_cell_size(cell, width) if cell_len(cell) <= width else set_cell_size(cell, width - 1) + "…"
