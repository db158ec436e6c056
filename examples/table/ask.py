"""Send a CSV to a worker, show how it stands meanwhile, and print the table that comes back.

python ask.py [FILE]
"""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.progress import Progress

import farhand

HUB = os.environ.get("FARHAND_HUB", "localhost:50051")


def main(path: str = "sales.csv") -> None:
    """The file is read while it is sent, and the worker has it on its disk until it is done."""
    with farhand.Client(HUB) as hub, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("sending", total=None)
        stream = hub.stream(
            "summarise",
            {"sales": farhand.File(path)},
            timeout=3600,
            progress=lambda now: bar.update(task, completed=now.current, total=now.total),
        )
        for sofar in stream:
            bar.update(task, description=f"{sofar['rows']:,} rows: {float(sofar['revenue']):,.0f}")
        bar.console.print(f"left out: {sofar['repeated']:,} repeated, {sofar['unreadable']:,} unreadable")

    rows = stream.result.to_pylist()
    shops = sorted({row["shop"] for row in rows})
    print("month  ", *(f"{shop:>12}" for shop in shops))
    for month in sorted({row["month"] for row in rows}):
        revenue = {row["shop"]: row["revenue"] for row in rows if row["month"] == month}
        print(month, *(f"{revenue.get(shop, 0):12,.0f}" for shop in shops))


if __name__ == "__main__":
    main(*sys.argv[1:])
