"""Have a folder of images classified, show how far it is and what went wrong, and keep the chart.

python ask.py [FOLDER]
"""

from __future__ import annotations

import os
import sys

from rich.progress import Progress

import farhand

HUB = os.environ.get("FARHAND_HUB", "localhost:50051")


def main(folder: str = "digits") -> None:
    """The predictions come while the worker is at the next ones."""
    with farhand.Client(HUB) as hub, Progress() as bar:
        task = bar.add_task("waiting", total=None)
        stream = hub.stream(
            "classify",
            {"folder": folder},
            progress=lambda now: bar.update(
                task, completed=now.current, total=now.total, description=now.message or "working"
            ),
        )
        for predictions in stream:
            for one in predictions:
                if one["digit"] != one["label"]:
                    bar.console.print(f"{one['file']} was taken for {one['digit']}")
    report = stream.result
    print(f"{report['accuracy']:.1%} right; see {report['confusion'].save('confusion.png')}")


if __name__ == "__main__":
    main(*sys.argv[1:])
