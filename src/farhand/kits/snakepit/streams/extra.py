"""What the streams need beside farhand itself."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needed(module: str) -> Any:
    """A library of the extra `snakepit`.

    Raises:
        ImportError: it isn't installed; the message says how it is.
    """
    try:
        return import_module(module)
    except ImportError as missing:
        name = module.partition(".")[0]
        package = {"sklearn": "scikit-learn", "re2": "google-re2"}.get(name, name)
        raise ImportError(f"this stream needs {package}: pip install 'farhand[snakepit]'") from missing
