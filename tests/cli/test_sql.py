"""farhand sql-worker and farhand sql, as real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from sqlalchemy import make_url

from tests.cli.processes import COMMAND, at_terminal, environment, farhand, serving, until
from tests.sql.conftest import mysql, place, places, postgres, sqlite
from tests.sql.places import MAKERS, Place

__all__ = ["mysql", "place", "places", "postgres", "sqlite"]
SECRET = "s3cr-et"


@contextlib.contextmanager
def beside(*databases: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A hub and a worker of the group db: the hub's address, and the worker's process."""
    flags = [word for one in databases for word in ("--database", one)]
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (_, address),
        serving("sql-worker", *flags, "--hub", address, "--group", "db", "--slots", "2") as (process, _),
    ):
        yield address, process


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a hub whose group db has one SQLite file."""
    with MAKERS["sqlite"](tmp_path_factory.mktemp("asked")) as place, beside(f"lite={place.url}") as (address, _):
        yield address


def ask(hub: str, *words: str) -> subprocess.CompletedProcess[str]:
    return farhand("sql", "db", *words, FARHAND_HUB=hub)


def test_rows_are_objects_a_line(asked: str) -> None:
    done = ask(asked, "select id, name from items order by id", "--database", "lite")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": 1, "name": "nut"},
        {"id": 2, "name": "bölt ☃ 🔩"},
        {"id": 3, "name": None},
    ]


def test_csv_has_a_line_of_names(asked: str) -> None:
    done = ask(asked, "select id, name, x'00ff' as b from items order by id", "--to", "csv")
    assert done.stdout.splitlines() == ["id,name,b", "1,nut,AP8=", "2,bölt ☃ 🔩,AP8=", "3,,AP8="]


def test_columns_of_one_name_keep_both_values(asked: str) -> None:
    assert json.loads(ask(asked, "select 1 as a, 2 as a").stdout) == {"a": 1, "a_2": 2}


def test_parameters_are_text_or_json(asked: str) -> None:
    done = ask(asked, "select :a as a, :b as b", "--param", "a=1", "--param", "b:=1")
    assert json.loads(done.stdout) == {"a": "1", "b": 1}


def test_the_query_may_come_from_stdin(asked: str) -> None:
    done = subprocess.run(
        (*COMMAND, "sql", "db", "-"), env=environment(FARHAND_HUB=asked), input="select 1 as a", capture_output=True,
        text=True, timeout=30,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"a": 1}


def test_rows_end_where_told_and_that_is_said(asked: str) -> None:
    done = ask(asked, "select id from items", "--max-rows", "2")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert "truncated: there are more than these 2 rows" in done.stderr


def test_without_a_query_the_tables_are_listed(asked: str) -> None:
    found = json.loads(ask(asked).stdout)
    assert found == {"schema": "main", "table": "items", "kind": "table", "columns": "id INTEGER, name varchar(40)"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["delete from items"], 1, "QueryRefused: a statement that begins with delete isn't taken"),
        (["select * from nowhere"], 1, "QueryFailed: no such table: nowhere"),
        (["select 1", "--database", "nope"], 1, "DatabaseUnknown: there is no database 'nope' here; there is: lite"),
        (["select :a", "--param", "b=1"], 1, "BadParameters: there is no parameter 'a'"),
        (["select 1", "--to", "xml"], 2, "--to is one of table, json, csv"),
        (["select 1", "--param", "a"], 2, "--param 'a' is not NAME=TEXT"),
        (["select 1", "--param", "a:=x"], 2, "--param a is not JSON"),
        (["select 1", "--max-rows", "-1"], 2, "--max-rows is 0 or more"),
        (["--max-rows", "1"], 2, "there is no query"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(asked: str, words: list[str], status: int, said: str) -> None:
    done = ask(asked, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_a_table_fits_its_terminal(asked: str, columns: int) -> None:
    query = (
        "select id, name, 'a text that is rather long for this' as third, id * 1000 as fourth from items order by id"
    )
    status, lines = at_terminal(columns, "sql", "db", query, FARHAND_HUB=asked)
    assert status == 0
    shown = "\n".join(lines)
    assert "nut" in shown
    assert "NULL" in shown
    assert [line for line in lines if cell_len(line) > columns] == []
    assert ("row 1" in shown) == (columns == 20)


def test_what_rows_hold_is_not_obeyed_by_the_terminal(asked: str) -> None:
    query = "select char(27) || ']0;owned' || char(7) || char(10) || 'next' as a"
    done = farhand("sql", "db", query, "--to", "table", FARHAND_HUB=asked)
    assert done.stdout.splitlines()[1] == r"\x1b]0;owned\x07\nnext"


def test_ctrl_c_ends_the_query_at_the_server(postgres: Place) -> None:
    with beside(f"pg={postgres.url}") as (hub, _):
        command = (*COMMAND, "sql", "db", "select pg_sleep(60), 'looong'")
        with subprocess.Popen(
            command, env=environment(FARHAND_HUB=hub), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            until(lambda: postgres.running("looong") == 1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
            assert (process.returncode, out) == (130, "")
            assert "interrupted (stopped)" in err
        until(lambda: postgres.running("looong") == 0)


def test_a_reader_of_stdout_that_leaves_ends_the_query(postgres: Place) -> None:
    with beside(f"pg={postgres.url}") as (hub, _):
        command = (*COMMAND, "sql", "db", "select generate_series(1, 100000000), repeat('x', 100)")
        with subprocess.Popen(command, env=environment(FARHAND_HUB=hub), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(20) == 141
        state = "select 1 from pg_stat_activity where query like 'FETCH%' and state <> 'idle'"
        until(lambda: postgres.do(state) == [])


def test_passwords_are_shown_nowhere(places: dict[str, Place], tmp_path: Path) -> None:
    urls = {
        kind: make_url(places[kind].url).set(password=SECRET).render_as_string(hide_password=False)
        for kind in ("postgresql", "mysql")
    }
    log = tmp_path / "log"
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (_, hub),
        log.open("w") as stderr,
        serving(
            "sql-worker", "--database", f"pg={urls['postgresql']}", "--database", "my=env:MY_URL", "--hub", hub,
            "--group", "db", "--log-level", "debug", stderr=stderr, MY_URL=urls["mysql"],
        ) as (process, _),
    ):  # fmt: skip
        commands = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        said = [farhand(verb, FARHAND_HUB=hub) for verb in ("workers", "handlers", "doctor")]
        said += [farhand("sql", "db", "select 1", "--database", name, FARHAND_HUB=hub) for name in ("pg", "my", "nope")]
    assert "pg=env:FARHAND_SQL_URL_1" in commands.split("\0")
    everything = commands + log.read_text() + "".join(one.stdout + one.stderr for one in said)
    assert SECRET not in everything
    assert "sql.query" in everything


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--database", "nonsense"], "--database 'nonsense' is not KEY=VALUE"),
        (["--database", "a=nonsense"], "database 'a': that is no URL"),
        (["--database", f"a=oracle://u:{SECRET}@h/d"], "'oracle' isn't served"),
        (["--database", "a=env:NOT_SET_AT_ALL"], "the variable NOT_SET_AT_ALL isn't set"),
        (["--database", "a=sqlite:///x", "--database", "a=sqlite:///y"], "each database has a name of its own"),
        (["--database", "a=sqlite:///x", "--sql-timeout", "0"], "more than 0 seconds"),
        ([], "--database"),
    ],
)
def test_a_worker_that_cant_begin_says_why(flags: list[str], said: str) -> None:
    done = farhand("sql-worker", *flags)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert SECRET not in done.stderr


def test_the_extra_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "sqlalchemy.py").write_text("raise ImportError('none here')")
    done = farhand("sql-worker", "--database", "a=sqlite:///x", PYTHONPATH=f"{tmp_path}{os.pathsep}src")
    assert done.returncode == 1
    assert "pip install 'farhand[sql]'" in done.stderr


def test_sigterm_lets_the_query_finish(postgres: Place) -> None:
    with beside(f"pg={postgres.url}") as (hub, worker):
        command = (*COMMAND, "sql", "db", "select pg_sleep(1), 'looong' as a")
        with subprocess.Popen(command, env=environment(FARHAND_HUB=hub), stdout=subprocess.PIPE, text=True) as process:
            until(lambda: postgres.running("looong") == 1)
            worker.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=20)
            assert json.loads(out)["a"] == "looong"
        assert worker.wait(20) == 0
