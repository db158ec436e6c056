"""Databases that go away and come back, and what is said of them: never a password."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from farhand.sql import Ask, DatabaseAway, Databases, Limits, QueryFailed, querying
from tests.sql.places import Answer, Place

SERVERS = pytest.mark.parametrize("kind", ["postgresql", "mysql"])


class Wire:
    """The way to a server, which can be cut and mended."""

    def __init__(self, url: str) -> None:
        at = make_url(url)
        default = 5432 if at.get_backend_name() == "postgresql" else 3306
        self._to = (at.host or "127.0.0.1", at.port or default)
        self._port = 0
        self._joined: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.mend()
        self.url = at.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    def mend(self) -> None:
        """Let connections through, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for one in self._joined:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._joined.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(self._to)
                self._joined += [here, there]
                threading.Thread(target=_pump, args=(here, there), daemon=True).start()


def _pump(here: socket.socket, there: socket.socket) -> None:
    with here, there, contextlib.suppress(OSError):
        while True:
            for one in select.select([here, there], [], [])[0]:
                data = one.recv(65536)
                if not data:
                    return
                (there if one is here else here).sendall(data)


@pytest.fixture
def wire(places: dict[str, Place], kind: str) -> Iterator[Wire]:
    found = Wire(places[kind].url)
    yield found
    found.cut()


@SERVERS
def test_a_database_that_was_away_is_asked_again(wire: Wire, kind: str) -> None:
    with contextlib.closing(Databases({"here": wire.url}, slots=2)) as databases:
        assert Answer(databases, "select count(*) from items").value == 3
        wire.cut()
        with pytest.raises(DatabaseAway, match="'here' can't be reached"):
            Answer(databases, "select 1")
        wire.mend()
        assert Answer(databases, "select count(*) from items").value == 3


@SERVERS
def test_kept_connections_that_were_lost_are_not_noticed(wire: Wire, kind: str) -> None:
    with contextlib.closing(Databases({"here": wire.url}, slots=2)) as databases:
        asked = [querying.query(databases, Ask(query="select * from items"), lambda: False) for _ in range(2)]
        for one in asked:  # so that there are two
            next(one)
        for one in asked:
            list(one)
        wire.cut()
        wire.mend()
        assert [Answer(databases, "select 1").value for _ in range(3)] == [1, 1, 1]


@SERVERS
def test_a_query_whose_database_goes_away_fails_at_once(wire: Wire, kind: str) -> None:
    three = ", ".join(f"information_schema.collations {name}" for name in "abc")
    many = {"postgresql": "select generate_series(1, 10000000)", "mysql": f"select 1 from {three}"}[kind]
    with contextlib.closing(Databases({"here": wire.url}, slots=2, limits=Limits(timeout=30))) as databases:
        asked = querying.query(databases, Ask(query=many), lambda: False)
        next(asked)
        next(asked)
        wire.cut()
        with pytest.raises(DatabaseAway):
            list(asked)
        wire.mend()
        assert Answer(databases, "select 1").value == 1


def test_a_file_that_is_gone_and_comes_back(sqlite: Place) -> None:
    path = Path(str(make_url(sqlite.url).database))
    aside = path.with_suffix(".aside")
    with contextlib.closing(Databases({"here": sqlite.url})) as databases:
        assert Answer(databases, "select count(*) from items").value == 3
        path.rename(aside)
        with pytest.raises(DatabaseAway, match="unable to open"):
            Answer(databases, "select 1")
        assert not path.exists()
        aside.rename(path)
        assert Answer(databases, "select count(*) from items").value == 3


def test_what_is_no_database_is_told(sqlite: Place) -> None:
    with contextlib.closing(Databases({"here": f"sqlite:///{__file__}"})) as databases, pytest.raises(QueryFailed):
        Answer(databases, "select * from items")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_password_is_in_no_error(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"{scheme}://someone:s3cr%40t-w0rd@127.0.0.1:{port}/nowhere"
    with contextlib.closing(Databases({"here": url})) as databases, pytest.raises(DatabaseAway) as away:
        Answer(databases, "select 1")
    shown = f"{away.value!r} {away.value.__cause__!r} {caplog.text}"
    assert "s3cr" not in shown
    assert "127.0.0.1" in shown


def test_a_wrong_password_is_not_told_back(mysql: Place) -> None:
    url = make_url(mysql.url).set(username="nobody_here", password="s3cr@t-w0rd").render_as_string(hide_password=False)
    with (
        contextlib.closing(Databases({"here": url})) as databases,
        pytest.raises(Exception, match="nobody_here") as refused,
    ):
        Answer(databases, "select 1")
    assert "s3cr" not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"
