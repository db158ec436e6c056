"""A pydantic model as argument and result: what doesn't fit is refused before the handler runs.

It needs pydantic. Serve it with `farhand dev examples/pydantic_model.py`, then run
`python examples/pydantic_model.py [HOST:PORT]`.
"""

import sys

from pydantic import BaseModel, Field

import farhand

app = farhand.App()


class Order(BaseModel):
    """What a caller sends."""

    item: str
    count: int = Field(gt=0)
    price: float = 1.0


@app.handler
def total(order: Order) -> float:
    """What the order costs."""
    return order.count * order.price


if __name__ == "__main__":
    with farhand.Client(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051") as hub:
        print(hub.run("total", {"order": {"item": "tea", "count": 3, "price": 2.5}}))
        print(hub.run("total", {"order": Order(item="tea", count=2).model_dump()}))
        try:
            hub.run("total", {"order": {"item": "tea", "count": 0}})
        except farhand.InvalidArguments as error:
            print("refused:", error.details["problems"][0]["message"])
