"""Chain durable jobs: each takes the results of those before it, and they survive hub, worker and client.

farhand dev examples/chain.py
python examples/chain.py
"""

import sys
from collections.abc import Iterator

import farhand

app = farhand.App()


@app.handler
def fetch(year: int) -> Iterator[float]:
    """Stream a year's measurements."""
    for month in range(1, 13):
        yield year % 100 + month / 10


@app.handler
def mean(values: list[float]) -> float:
    """Average them."""
    return round(sum(values) / len(values), 3)


@app.handler
def compare(before: float, after: float) -> str:
    """Say which is more."""
    return f"{before} then {after}: {'more' if after > before else 'less'}"


if __name__ == "__main__":
    with farhand.Client(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051") as hub:
        means = [hub.submit("mean", inputs={"values": hub.submit("fetch", {"year": year})}) for year in (2023, 2024)]
        last = hub.submit("compare", inputs={"before": means[0], "after": means[1]})
        print(last.result(timeout=20))
