"""The three places, each made once, and the databases of a worker that has them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from farhand.sql import Databases, Limits
from tests.sql.places import KINDS, MAKERS, Place


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """Those that were asked for."""
    with contextlib.ExitStack() as stack:
        yield _Places(stack, tmp_path_factory)


class _Places(dict[str, Place]):
    def __init__(self, stack: contextlib.ExitStack, folders: pytest.TempPathFactory) -> None:
        super().__init__()
        self._stack, self._folders = stack, folders

    def __missing__(self, kind: str) -> Place:
        folder = self._folders.mktemp(kind)
        folder.chmod(0o777)  # so that a server which runs as another user could write there, were it let
        self[kind] = found = self._stack.enter_context(MAKERS[kind](folder))
        return found


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    """Each in turn."""
    return places[request.param]


@pytest.fixture
def postgres(places: dict[str, Place]) -> Place:
    return places["postgresql"]


@pytest.fixture
def mysql(places: dict[str, Place]) -> Place:
    return places["mysql"]


@pytest.fixture
def sqlite(places: dict[str, Place]) -> Place:
    return places["sqlite"]


@pytest.fixture
def databases(place: Place) -> Iterator[Databases]:
    """A worker's databases: this place alone."""
    with contextlib.closing(Databases({"here": place.url}, slots=2, limits=Limits(timeout=30))) as found:
        yield found
