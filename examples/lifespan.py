"""Load something once a worker process, use it in every call, and let it go at the end.

Serve it with `farhand dev examples/lifespan.py`, then run `python examples/lifespan.py [HOST:PORT]`.
"""

import sqlite3
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import farhand

app = farhand.App()


@app.lifespan
def open_database(state: SimpleNamespace) -> Iterator[None]:
    """Before the first job up to `yield`; the rest when the worker stops."""
    state.database = sqlite3.connect(":memory:", check_same_thread=False)
    state.lock = threading.Lock()
    state.database.execute("CREATE TABLE seen (word TEXT PRIMARY KEY, times INTEGER)")
    yield
    state.database.close()


@app.handler
def see(ctx: farhand.Context, word: str) -> int:
    """Count a word; how often it was seen. Handlers run in threads, so they share the connection by a lock."""
    with ctx.state.lock, ctx.state.database:
        row = ctx.state.database.execute(
            "INSERT INTO seen VALUES (?, 1) ON CONFLICT (word) DO UPDATE SET times = times + 1 RETURNING times", (word,)
        ).fetchone()
    return int(row[0])


if __name__ == "__main__":
    with farhand.Client(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051") as hub:
        print(list(hub.map("see", [{"word": "a"}, {"word": "b"}], window=1)))
        print(hub.run("see", {"word": "a"}))
