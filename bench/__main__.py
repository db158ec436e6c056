"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench import claims, codec, databases, devaria, durable, idle, large, report, rounds, web
from bench.results import Options, Row, Status
from bench.scenarios import COMPARISONS, TITLES, chosen

QUICK = Options(seconds=0.3, rounds=1, quick=True)


def main() -> int:
    """Measure what was asked for; 1 if something couldn't run, else 0, whatever the figures."""
    arguments = _parser().parse_args()
    if arguments.list:
        for name, title in TITLES.items():
            print(f"{name:16}{title}")
        return 0
    try:
        names = chosen(arguments.only)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    base = QUICK if arguments.quick else Options()
    options = Options(arguments.seconds or base.seconds, base.rounds, base.quick)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    rows = _measure(names, options)
    # Piped into a file there is no width to keep to.
    console = Console(stderr=arguments.json == "-")
    if not console.is_terminal:
        console = Console(stderr=arguments.json == "-", width=140)
    console.print(report.table(rows, options))
    if arguments.json:
        text = json.dumps(report.document(rows, options), indent=2, ensure_ascii=False)
        if arguments.json == "-":
            print(text)
        else:
            Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    return int(any(row.status is Status.FAILED for row in rows))


def _measure(names: list[str], options: Options) -> list[Row]:
    progress = Console(stderr=True)
    with progress.status("beginning") as status:

        def say(what: str) -> None:
            status.update(what)
            if not progress.is_terminal:
                progress.print(what, highlight=False)

        wanted = [comparison for comparison in COMPARISONS if comparison.name in names]
        parts = (durable, idle, web, claims, codec, large, databases, devaria)
        own = [row for part in parts for row in part.measure(names, options, say)]
        rows = [*rounds.compare(wanted, options, say), *own]
    return sorted(rows, key=lambda row: names.index(row.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure farhand beside others.")
    parser.add_argument("--quick", action="store_true", help="see it run, in seconds; nothing is judged")
    parser.add_argument("--json", metavar="FILE|-", default="", help="write the same as JSON; -: to stdout")
    parser.add_argument("--only", metavar="NAME,…", default="", help="these scenarios, or all that begin so")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long one figure takes")
    return parser


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
