"""State that stays on a worker: a session builds an index once, then answers searches from it.

Serve it with `farhand dev examples/session_index.py`, then run `python examples/session_index.py [HOST:PORT]`.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import farhand

app = farhand.App()


@app.handler
def build(ctx: farhand.Context, root: str) -> int:
    """Count the words of each Python file below `root`; how many files there are."""
    assert ctx.session is not None, "call it in a session"
    files = {str(path): Counter(re.findall(r"\w+", path.read_text())) for path in Path(root).rglob("*.py")}
    ctx.session["files"] = files
    return len(files)


@app.handler
def search(ctx: farhand.Context, word: str) -> dict[str, int]:
    """The files that hold `word`, and how often."""
    assert ctx.session is not None, "call it in a session"
    return {path: words[word] for path, words in ctx.session["files"].items() if word in words}


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"
    with farhand.Client(address) as hub, hub.session() as session:
        print(session.run("build", {"root": str(Path(__file__).parent)}), "files indexed")
        for path, count in session.run("search", {"word": "farhand"}).items():
            print(f"{count:4} {path}")
