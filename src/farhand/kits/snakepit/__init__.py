"""What users of a Snakepit pool import: `load_adapter` makes a class, as pools name them, into commands of a worker,
and `farhand.kits.snakepit.streams:app` has the six streams of its guide. `farhand snakepit-worker` serves either."""

from __future__ import annotations

from farhand.kits.snakepit.adapters import adapted, load_adapter

__all__ = ["adapted", "load_adapter"]
