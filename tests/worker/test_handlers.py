"""Functions of every shape as handlers, with arguments and results of every type, through a real hub."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import enum
import functools
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal, Optional

import msgspec
import pydantic
import pytest

from farhand import App, AsyncClient, Context
from farhand.errors import InvalidArguments
from farhand.worker.app import Style
from tests.worker.serving import asked

NOW = datetime.datetime(2030, 1, 31, 12, tzinfo=datetime.UTC)


@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.0


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "red"


class Settings(pydantic.BaseModel):
    epochs: int = pydantic.Field(ge=1)
    rate: float = 0.1


def types(
    choice: Literal["a", "b"],
    maybe: Optional[int],  # noqa: UP045
    when: datetime.datetime,
    day: datetime.date,
    raw: bytes,
    item: Item,
    point: Point,
    colour: Colour,
    id: uuid.UUID,
    pair: tuple[int, str],
    names: set[str],
) -> list[str]:
    return [type(one).__name__ for one in (choice, maybe, when, day, raw, item, point, colour, id, pair, names)]


class Counter:
    """A bound method and a callable object."""

    def __init__(self) -> None:
        self.count = 0

    def up(self, by: int = 1) -> int:
        self.count += by
        return self.count

    async def __call__(self, by: int) -> int:
        return self.up(by)


def shouting(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return function(*args, **kwargs).upper()

    return wrapper


def times(factor: int, value: int) -> int:
    return factor * value


def make() -> App:
    app, counter = App(), Counter()
    app.handler(types)
    app.handler(name="up")(counter.up)
    app.handler(name="call")(counter)
    app.handler(name="double")(functools.partial(times, 2))

    @app.handler
    @shouting
    def say(word: str) -> str:
        return word

    @app.handler
    def rest(first: int, *, key: str = "k", **more: Any) -> dict[str, Any]:
        return {"first": first, "key": key, **more}

    @app.handler
    def fresh(items: list[int] = []) -> list[int]:  # noqa: B006
        items.append(1)
        return items

    @app.handler
    def settings_of(epochs: int) -> dict[str, Settings | list[Settings]]:
        settings = Settings(epochs=epochs)
        return {"best": settings, "all": [settings]}

    @app.handler
    def train(settings: Settings) -> int:
        return settings.epochs

    @app.handler
    def structs() -> list[Any]:
        return [Item("i"), Point(1), Colour.RED, NOW, uuid.UUID(int=1), {1}, (1, "x")]

    @app.handler(isolate="none")
    def here() -> str:
        return threading.current_thread().name

    @app.handler
    def there() -> str:
        return threading.current_thread().name

    @app.handler(isolate="none")
    def steps(n: int) -> Iterator[int]:
        yield from range(n)

    @app.handler
    def untyped(ctx, value, other=2):  # type: ignore[no-untyped-def]
        return [ctx.job_id != "", value, other]

    @app.handler
    async def cleanup(ctx: Context) -> AsyncIterator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
            await asyncio.sleep(60)

    return app


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with asked(make()) as client:
        yield client


async def test_arguments_have_the_types_of_the_hints(client: AsyncClient) -> None:
    args = {
        "choice": "a",
        "maybe": None,
        "when": NOW,
        "day": "2030-01-31",
        "raw": b"\x00",
        "item": {"name": "i"},
        "point": Point(1),
        "colour": "red",
        "id": uuid.UUID(int=1),
        "pair": [1, "x"],
        "names": ["a", "a"],
    }
    names = ["str", "NoneType", "datetime", "date", "bytes", "Item", "Point", "Colour", "UUID", "tuple", "set"]
    assert await client.run("types", args) == names
    with pytest.raises(InvalidArguments) as wrong:
        await client.run("types", args | {"choice": "c", "when": "noon", "item": {"name": 1}, "maybe": "x"})
    assert [one["path"] for one in wrong.value.details["problems"]] == ["choice", "maybe", "when", "item.name"]


async def test_results_are_plain_data(client: AsyncClient) -> None:
    found = await client.run("structs")
    assert found[:3] == [{"name": "i", "price": 1.0}, {"x": 1, "y": 0}, "red"]
    assert found[4:] == [str(uuid.UUID(int=1)), [1], [1, "x"]]


async def test_pydantic_models_can_be_answered_wherever_they_are(client: AsyncClient) -> None:
    assert await client.run("settings_of", {"epochs": 3}) == {
        "best": {"epochs": 3, "rate": 0.1},
        "all": [{"epochs": 3, "rate": 0.1}],
    }


async def test_pydantic_models_check_themselves(client: AsyncClient) -> None:
    assert await client.run("train", {"settings": {"epochs": 3}}) == 3
    assert await client.run("train", {"settings": Settings(epochs=4).model_dump()}) == 4
    with pytest.raises(InvalidArguments, match=r"settings: epochs: Input should be greater than or equal to 1"):
        await client.run("train", {"settings": {"epochs": 0}})


async def test_methods_partials_and_decorated_functions_are_handlers(client: AsyncClient) -> None:
    assert await client.run("up") == 1
    assert await client.run("call", {"by": 2}) == 3
    assert await client.run("double", {"value": 4}) == 8
    assert await client.run("say", {"word": "hey"}) == "HEY"
    with pytest.raises(InvalidArguments):
        await client.run("say", {"word": 1})


async def test_keyword_only_open_and_default_arguments(client: AsyncClient) -> None:
    assert await client.run("rest", {"first": 1}) == {"first": 1, "key": "k"}
    assert await client.run("rest", {"first": 1, "key": "x", "z": [1]}) == {"first": 1, "key": "x", "z": [1]}
    assert [await client.run("fresh") for _ in range(2)] == [[1], [1]]
    assert await client.run("untyped", {"value": "v"}) == [True, "v", 2]


async def test_isolate_none_runs_a_plain_function_on_the_loop(client: AsyncClient) -> None:
    assert await client.run("here") == threading.current_thread().name
    assert (await client.run("there")).startswith("farhand-handler")
    assert await client.run("steps", {"n": 3}) == [0, 1, 2]


def test_what_cannot_be_a_handler_is_refused_with_its_reason() -> None:
    app = App()
    app.handler(name="one")(lambda: None)
    with pytest.raises(ValueError, match="'one' is registered already"):
        app.handler(name="one")(lambda: None)
    with pytest.raises(ValueError, match="isolate must be"):
        app.handler(name="two", isolate="fiber")(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="more than 0 seconds"):
        app.handler(name="two", timeout=0)(lambda: None)

    async def coroutine() -> None: ...

    with pytest.raises(ValueError, match="runs on an event loop"):
        app.handler(isolate="thread")(coroutine)

    def many(*values: int) -> None: ...

    with pytest.raises(TypeError, match=r"\*values can't be filled"):
        app.handler(many)

    def unknown(value: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match="NoSuchType"):
        app.handler(unknown)
    with pytest.raises(TypeError, match="not on int"):
        app.handler(3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="a partial has no name of its own"):
        app.handler(functools.partial(times, 2))
    assert list(app.handlers) == ["one"]


def test_an_app_includes_another_one_unless_names_meet() -> None:
    one, two = App(), App()
    one.handler(name="a")(lambda: None)
    two.handler(name="b")(lambda: None)
    one.include(two)
    assert sorted(one.handlers) == ["a", "b"]
    with pytest.raises(ValueError, match="both apps have a handler named b"):
        one.include(two)


def test_an_app_has_one_lifespan_and_one_restore_hook() -> None:
    app = App()
    for hook in (app.lifespan, app.restore):
        hook(lambda state: None)
        with pytest.raises(ValueError, match="already"):
            hook(lambda state: None)


def offloaded(function: Callable[..., Any]) -> Callable[..., Any]:
    """An async wrapper of a plain function."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)

    return wrapper


def through(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain wrapper, which gives on what the function makes."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def triple(value: int, factor: int = 3) -> int:
    return factor * value


def upto(n: int) -> Iterator[int]:
    yield from range(n)


async def aupto(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@pytest.mark.parametrize(
    ("function", "style"),
    [
        (times, Style.DEF),
        (offloaded(times), Style.ASYNC),
        (through(triple), Style.ASYNC),
        (functools.partial(triple, factor=2), Style.ASYNC),
        (through(functools.partial(triple, factor=2)), Style.ASYNC),
        (through(through(upto)), Style.GENERATOR),
        (functools.partial(aupto), Style.ASYNC_GENERATOR),
        (Counter(), Style.ASYNC),
        (Counter().up, Style.DEF),
        (Item, Style.DEF),
    ],
)
def test_how_a_function_answers_is_seen_through_what_is_around_it(function: Callable[..., Any], style: Style) -> None:
    app = App()
    app.handler(name="it")(function)
    assert app.handlers["it"].style is style


async def test_wrapped_functions_run_and_keep_their_hints() -> None:
    app = App()
    app.handler(name="offloaded")(offloaded(times))
    app.handler(name="through")(through(triple))
    app.handler(name="partial")(functools.partial(triple, factor=2))
    async with asked(app) as client:
        assert await client.run("offloaded", {"factor": 2, "value": 3}) == 6
        assert await client.run("through", {"value": 3}) == 9
        assert await client.run("partial", {"value": 3}) == 6
        for name in ("offloaded", "through", "partial"):
            with pytest.raises(InvalidArguments, match="value: Expected `int`"):
                await client.run(name, {"factor": 2, "value": "x"})
