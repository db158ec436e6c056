"""Handlers with parameters of many types, for what the command says of them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any, Literal

import pydantic

import farhand

app = farhand.App()


@dataclasses.dataclass
class Item:
    """An item."""

    name: str
    price: float = 1.0


class Settings(pydantic.BaseModel):
    """How to train."""

    epochs: int = pydantic.Field(ge=3, description="rounds")
    rate: float = 0.1


@app.handler
def order(
    items: list[Item],
    size: Literal["s", "l"] = "s",
    note: str | None = None,
    *,
    gift: bool = False,
) -> dict[str, float]:
    """Add up an order.

    The sum of the items' prices, by the size that was asked for, which is said here at such length only so that it
    has to be broken on a narrow terminal.
    """
    return {size: sum(item.price for item in items)}


@app.handler
def train(settings: Settings) -> int:
    """Train."""
    return settings.epochs


@app.handler
def raw(data: bytes, level: Literal["1", "2"] = "1", when: datetime.date | None = None) -> dict[str, Any]:
    """Bytes, and text that looks like a number."""
    return {"size": len(data), "level": level, "when": when}


@app.handler(name="count.up", timeout=60)
def count(to: int = 3, label: str = "it's", **more: Any) -> Iterator[int]:
    """Count."""
    print("counting", label)
    yield from range(to)


@app.handler
def anything(value):  # type: ignore[no-untyped-def]
    return value


@app.handler
def nothing() -> None:
    """Do nothing."""
