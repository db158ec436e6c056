"""Stream an analysis of a source tree: `farhand stream analyse root=. --hub localhost:50051`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import farhand

app = farhand.App()


@app.handler
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@app.handler(isolate="process")
def analyse(ctx: farhand.Context, root: str = ".") -> Iterator[dict[str, object]]:
    """Functions and classes of each Python file below `root`."""
    paths = sorted(Path(root).rglob("*.py"))
    for done, path in enumerate(paths, 1):
        ctx.progress(done, len(paths), path.name)
        try:
            nodes = list(ast.walk(ast.parse(path.read_text())))
        except (SyntaxError, UnicodeDecodeError) as error:
            print(f"{path}: {error}")
            continue
        yield {
            "file": str(path),
            "functions": sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes),
            "classes": sum(isinstance(node, ast.ClassDef) for node in nodes),
        }
