"""What may be asked, without a database: how statements are read, what is refused, and how parameters are bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.sql.dialects.mysql import MySql
from farhand.sql.dialects.postgresql import PostgreSql
from farhand.sql.dialects.sqlite import Sqlite
from farhand.sql.errors import BadParameters, QueryRefused
from farhand.sql.lexing import tokens
from farhand.sql.statements import LENGTH_LIMIT, Rules, checked

RULES = {one.dialect: one for one in (PostgreSql.rules, MySql.rules, Sqlite.rules)}
EACH = pytest.mark.parametrize("rules", RULES.values(), ids=RULES)


def cut(statement: str, dialect: str) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in tokens(statement, dialect)]


@pytest.mark.parametrize(
    ("dialect", "statement", "words"),
    [
        ("postgresql", "select 'into' -- into\n, 1", ["select"]),
        ("postgresql", "select /* a /* into */ into */ 1", ["select"]),
        ("postgresql", "select $$ into $$, $a$ $$ into $a$, e'\\' into'", ["select"]),
        ("postgresql", 'select "into" from t$into$', ["select", "from", "t$into$"]),
        ("postgresql", "select a#>b", ["select", "a", "b"]),
        ("postgresql", "select 1 -- x\rfrom t", ["select", "from", "t"]),
        ("postgresql", "select 'a\\' , b", ["select", "b"]),
        ("mysql", "select 'a\\'into' # into\n, \"into\", `into`", ["select"]),
        ("mysql", "select 5--1 into", ["select", "into"]),
        ("mysql", "select 1 -- into", ["select"]),
        ("mysql", "select 1into", ["select", "into"]),
        ("sqlite", "select [into], `into`, \"into\", 'in''to' -- into", ["select"]),
        ("sqlite", "select 'a\\' , into", ["select", "into"]),
    ],
)
def test_words_in_texts_names_and_comments_are_none(dialect: str, statement: str, words: list[str]) -> None:
    assert [text for kind, text in cut(statement, dialect) if kind == "word"] == words


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("postgresql", "select 'a"),
        ("postgresql", 'select "a'),
        ("postgresql", "select $$a$b$"),
        ("postgresql", "select /* /* */"),
        ("postgresql", "select U&\"\\0073et_config\"('a', 'b', false)"),
        ("postgresql", "select E'a'\n'\\' || 'x into y'"),
        ("mysql", "select /*! 1 into outfile '/tmp/x' */"),
        ("mysql", "select /*M! 1 */"),
        ("mysql", "select `a"),
        ("mysql", "select /* a"),
        ("sqlite", "select [a"),
        ("sqlite", "select 1 /* a"),
        ("sqlite", "select 1\0"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(dialect: str, statement: str) -> None:
    with pytest.raises(QueryRefused):
        tokens(statement, dialect)


@EACH
@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "  ( select 1 ) ;; ",
        "with a as (select 1) select * from a",
        "values (1)",
        "select 'insert into t', ';' from t where a = 'drop table' -- ; delete",
        "select count(*) from inserted where updated > 1",
        "select replace('a', 'b', 'c')",
    ],
)
def test_what_reads_is_taken(rules: Rules, statement: str) -> None:
    assert checked(statement, None, rules).values is None


@EACH
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("", "empty"),
        (" ; -- x", "empty"),
        ("select 1; select 2", "one statement"),
        ("commit; insert into t values (1)", "one statement"),
        ("insert into t values (1)", "begins with insert"),
        ("DROP table t", "begins with DROP"),
        ("with a as (delete from t returning *) select * from a", "DELETE writes"),
        ("with a as (select 1) update t set b = 1", "UPDATE writes"),
        ("select 1 into t", "INTO writes"),
        ("select * from t for update", "locks rows"),
        ("select * from t for no key update", "locks rows"),
        ("select next value for s", "counts a sequence"),
        ("select " + "1" * LENGTH_LIMIT, "characters"),
    ],
)
def test_what_may_do_more_is_refused(rules: Rules, statement: str, said: str) -> None:
    with pytest.raises(QueryRefused, match=said):
        checked(statement, None, rules)


@pytest.mark.parametrize(
    ("dialect", "call"),
    [
        ("postgresql", "pg_catalog . SET_CONFIG ('a', 'b', false)"),
        ("postgresql", "\"set_config\"('a', 'b', false)"),
        ("postgresql", "set_config/* x */('a', 'b', false)"),
        ("postgresql", "pg_read_file('/etc/passwd')"),
        ("postgresql", "lo_export(1, '/tmp/x')"),
        ("postgresql", "pg_terminate_backend(1)"),
        ("postgresql", "pg_advisory_lock(1)"),
        ("postgresql", "query_to_xml('select 1', true, true, '')"),
        ("mysql", "LOAD_FILE('/etc/passwd')"),
        ("mysql", "get_lock('a', 1)"),
        ("mysql", "`sys_exec`('id')"),
        ("sqlite", "load_extension('x')"),
    ],
)
def test_functions_that_act_may_not_be_called(dialect: str, call: str) -> None:
    with pytest.raises(QueryRefused, match="may not be called"):
        checked(f"select {call}", None, RULES[dialect])


def test_values_are_never_written_into_the_statement() -> None:
    found = checked("select :a, ':b', a::text, 5 % 2 where x = :a", {"a": "';--"}, PostgreSql.rules)
    assert found.text == "select %s, ':b', a::text, 5 %% 2 where x = %s"
    assert found.values == ("';--", "';--")
    listed = checked("select ?, '?' , ? -- ?", ["x", None], Sqlite.rules)
    assert (listed.text, listed.values) == ("select ?, '?' , ? -- ?", ("x", None))
    assert checked("select 5 % 2", {}, MySql.rules).text == "select 5 % 2"


@pytest.mark.parametrize(
    ("statement", "params", "said"),
    [
        ("select :a", {"b": 1}, "no parameter 'a'"),
        ("select :a", {"a": 1, "b": 1}, "no :b"),
        ("select ?", [1, 2], "1 places"),
        ("select ':a'", {"a": 1}, "no :a"),
        ("select :a", {"a": {"b": 1}}, "a is a dict"),
        ("select :a", {"a": "x\0"}, "zero character"),
        ("select :a", {"a": 2**64}, "64 bits"),
        ("select ?", [[1]], "1 is a list"),
    ],
)
def test_parameters_that_dont_fit_are_told(statement: str, params: Any, said: str) -> None:
    with pytest.raises(BadParameters, match=said):
        checked(statement, params, Sqlite.rules)


@EACH
@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_text_is_taken_or_refused(rules: Rules, data: st.DataObject) -> None:
    parts = [
        "select ",
        "'",
        '"',
        "`",
        "$$",
        "$a$",
        "--",
        "/*",
        "*/",
        "/*!",
        "\n",
        ";",
        ":a",
        "?",
        "(",
        ")",
        "into ",
        "é",
        "\\",
        "[",
        "]",
        "e'",
        "0",
        "%",
    ]
    statement = "".join(data.draw(st.lists(st.one_of(st.sampled_from(parts), st.text(max_size=3)), max_size=12)))
    try:
        found = checked("select " + statement, data.draw(st.sampled_from([None, [1], {"a": 1}])), rules)
    except (QueryRefused, BadParameters):
        return
    assert ("mark", ";") not in cut(found.text, rules.dialect)


@EACH
def test_a_long_statement_is_read_in_a_moment(rules: Rules) -> None:
    for piece in ("(", "'a',", "/**/", "a.b ", "1e", "--\n", "[a],", "$", ":a "):
        statement = "select " + piece * (200_000 // len(piece))
        try:
            checked(statement, None, rules)
        except QueryRefused:
            continue
