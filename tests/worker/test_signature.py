"""Arguments are checked as they are read, before the handler runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.errors import InvalidArguments
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.values import to_payload
from farhand.worker.app import App
from farhand.worker.context import Context
from farhand.worker.signature import Signature


@dataclass
class Item:
    name: str
    price: float


def order(items: list[Item], ctx: Context, size: Literal["s", "l"] = "s", *, note: str | None = None) -> float:
    return 0.0


def signature() -> Signature:
    return Signature("order", order, Context)


def problems(value: Any, media: int = Media.MSGPACK) -> list[dict[str, str]]:
    with pytest.raises(InvalidArguments) as caught:
        signature().bind(to_payload(value, media), lambda: None)
    found: list[dict[str, str]] = caught.value.details["problems"]
    return found


@given(
    st.lists(st.tuples(st.text(max_size=9), st.floats(allow_nan=False))), st.sampled_from([Media.JSON, Media.MSGPACK])
)
def test_arguments_come_out_as_they_went_in(pairs: list[tuple[str, float]], media: Media) -> None:
    items = [Item(name, price) for name, price in pairs if media is Media.MSGPACK or abs(price) < float("inf")]
    positional, named = signature().bind(to_payload({"items": items, "note": "n"}, media), lambda: "context")
    assert positional == (items, "context", "s")
    assert named == {"note": "n"}


def test_every_wrong_field_is_named_with_its_path() -> None:
    found = problems({"items": [{"name": "a", "price": "dear"}], "size": "m", "nota": "x"})
    assert [one["path"] for one in found] == ["items[0].price", "size", "nota"]
    assert "did you mean note" in found[2]["message"]


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
def test_a_missing_argument_is_named(media: Media) -> None:
    assert problems({}, media) == [{"path": "items", "message": "is missing"}]


def test_no_arguments_at_all_is_an_empty_object() -> None:
    with pytest.raises(InvalidArguments, match="items: is missing"):
        signature().bind(NOTHING, lambda: None)


def test_bytes_that_are_no_json_are_invalid_arguments() -> None:
    with pytest.raises(InvalidArguments):
        signature().bind(Payload(b"{", Media.JSON), lambda: None)


def test_the_schema_names_required_arguments_and_not_the_context() -> None:
    text = signature().parameters_schema()
    assert b'"items"' in text
    assert b'"ctx"' not in text
    assert signature().result_schema() == msgspec.json.encode({"type": "number"})


def test_two_handlers_of_one_name_are_refused() -> None:
    app = App()
    app.handler(name="order")(order)
    with pytest.raises(ValueError, match="'order' is registered already"):
        app.handler(order)


def test_a_type_that_no_wire_carries_is_refused_by_name() -> None:
    def bad(*many: int) -> None: ...

    with pytest.raises(TypeError, match=r"'bad': \*many"):
        App().handler(bad)
