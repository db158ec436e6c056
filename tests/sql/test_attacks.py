"""S5: attempts to write, to reach files and settings, and to lift limits, each with the state afterwards unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farhand.sql import Databases, Limits, SqlError, querying
from farhand.sql.statements import Statement
from tests.sql.places import Answer, Place

EVERYWHERE = """
insert into items values (9, 'x')
update items set name = 'x'
delete from items
drop table items
create table loot (a int)
create view loot as select 1
alter table items add column loot int
commit; insert into items values (9, 'x')
select 1; delete from items
select 1;; drop table items; --
rollback
begin
with a as (select 1) delete from items
with a as (select 1) update items set name = 'x'
with a as (select 1) insert into items select 9, 'x'
select * from items; commit
replace into items values (1, 'x')
/* select */ delete from items
-- select
explain analyze delete from items
(delete from items)
select * from items where name = ''; delete from items where ''=''
""".strip().splitlines()

POSTGRES = """
with a as (delete from items returning *) select * from a
with a as (insert into items values (9, 'x') returning *) select * from a
with a as (update items set name = 'x' returning *) select * from a
with a as materialized (delete/**/from items returning *) select * from a
select * into loot from items
select 1 as a into temp loot
merge into items using items b on true when matched then delete
truncate items
copy items to 'FOLDER/loot'
copy items to program 'touch FOLDER/loot'
copy (select 1) to 'FOLDER/loot'
select nextval('counter')
select setval('counter', 99)
select set_config('default_transaction_read_only', 'off', false)
select set_config('statement_timeout', '0', false)
select pg_catalog.set_config('work_mem', '1MB', false)
select "set_config"('transaction_read_only', 'off', false)
select U&"\\0073et_config"('transaction_read_only', 'off', false)
set default_transaction_read_only = off
set session characteristics as transaction read write
reset all
select lo_creat(1)
select lo_from_bytea(0, 'x')
select lo_export(1, 'FOLDER/loot')
select lo_import('/etc/passwd')
select pg_read_file('/etc/passwd')
select pg_ls_dir('/')
select pg_file_write('FOLDER/loot', 'x', false)
select pg_terminate_backend(pid) from pg_stat_activity
select pg_reload_conf()
select pg_notify('a', 'b')
select pg_advisory_lock(1)
select pg_create_restore_point('loot')
select query_to_xml('delete from items returning 1', true, true, '')
select query_to_xml($$select set_config('work_mem', '1MB', false)$$, true, true, '')
select * from items for update
select * from items for no key update skip locked
lock table items
do $$ begin delete from items; end $$
call loot()
prepare loot as delete from items
execute loot
declare loot cursor with hold for select 1
vacuum items
create role loot superuser
alter system set work_mem = '1MB'
alter role current_user set work_mem = '1MB'
load 'loot'
listen loot
explain (analyze) delete from items
""".strip().splitlines()

MYSQL = """
select * from items into outfile 'FOLDER/loot'
select 'x' into dumpfile 'FOLDER/loot'
select 1 into @a
select /*! 1 into outfile 'FOLDER/loot' */
select /*M! 1 into outfile 'FOLDER/loot' */
select 5--1 into outfile 'FOLDER/loot'
table items into outfile 'FOLDER/loot'
select @a := 1
select load_file('/etc/passwd')
select get_lock('loot', 0)
load data infile '/etc/passwd' into table items
load data local infile '/etc/passwd' into table items
set global general_log = 1
set session transaction read write
set autocommit = 1
start transaction read write
call loot()
do sleep(0)
handler items open
flush tables
kill 1
grant all on *.* to loot
create user loot
lock tables items write
select * from items for update
select * from items lock in share mode
explain delete from items
truncate table items
install soname 'loot'
prepare loot from 'delete from items'
execute immediate 'delete from items'
begin not atomic delete from items; end
analyze table items
optimize table items
use mysql
set statement max_statement_time = 0 for delete from items
""".strip().splitlines()

SQLITE = """
attach 'FOLDER/loot' as loot
select 1 union attach 'FOLDER/loot' as loot
vacuum into 'FOLDER/loot'
vacuum
pragma journal_mode = wal
pragma query_only = off
pragma writable_schema = on
select * from pragma_journal_mode('wal')
select * from pragma_query_only(0)
select load_extension('FOLDER/loot')
select writefile('FOLDER/loot', 'x')
select fts3_tokenizer('a')
update sqlite_master set sql = 'x'
insert or replace into items values (1, 'x')
reindex
analyze
detach main
create virtual table loot using fts5(a)
create temp table loot (a)
explain attach 'FOLDER/loot' as loot
savepoint loot
select * from items; attach 'FOLDER/loot' as loot
with a as (select 1) replace into items values (1, 'x')
""".strip().splitlines()

ATTACKS = {
    "postgresql": [*EVERYWHERE, *POSTGRES, "select E'a'\n'\\' || 'x'; delete from items --'"],
    "mysql": EVERYWHERE + MYSQL,
    "sqlite": EVERYWHERE + SQLITE,
}
FENCED_ONLY = (
    "lo_export", "lo_import", "set_config", "pg_read_file", "pg_ls_dir", "pg_file_write", "pg_terminate", "pg_reload",
    "pg_notify", "pg_advisory", "pg_create", "outfile", "dumpfile", "@a", "load_file", "get_lock", "for update",
    "share mode", "global", "read write", "autocommit", "flush", "kill", "grant", "user", "lock tables", "soname",
    "do sleep", "use mysql", "handler", "prepare", "analyze table", "optimize", "immediate", "not atomic", "call",
)  # fmt: skip
"""What only the fence holds back where the role may do anything, as the role of these tests may."""


@pytest.fixture
def unwritten(place: Place) -> Iterator[None]:
    """Whatever the test does, the place stays as it was."""
    before = place.state()
    yield
    assert place.state() == before


def attempt(databases: Databases, sql: str) -> bool:
    """Whether it was refused."""
    try:
        Answer(databases, sql)
    except SqlError:
        return True
    return False


@pytest.mark.usefixtures("unwritten")
def test_no_attack_is_let_through(databases: Databases, place: Place) -> None:
    attacks = [one.replace("FOLDER", str(place.folder)) for one in ATTACKS[place.kind]]
    assert len(attacks) >= 40
    let_through = [one for one in attacks if not attempt(databases, one)]
    assert all(one.startswith("explain ") for one in let_through), let_through
    assert Answer(databases, "select count(*) from items").value == 3


@pytest.mark.usefixtures("unwritten")
def test_the_database_refuses_what_the_fence_would_let_through(
    databases: Databases, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fence taken away, read-only transactions, the protocol and the authorizer still hold."""
    monkeypatch.setattr(querying, "checked", lambda query, params, rules: Statement(query, None))
    attacks = [one for one in ATTACKS[place.kind] if not any(word in one for word in FENCED_ONLY)]
    assert len(attacks) >= 25
    for one in attacks:
        attempt(databases, one.replace("FOLDER", str(place.folder)))


@pytest.mark.usefixtures("unwritten")
def test_nothing_that_is_bound_acts(databases: Databases) -> None:
    for text in ("'; delete from items; --", "\\'; delete from items; #", "x' or 1=1 --", "\u02bc; delete from items"):
        assert Answer(databases, "select count(*) from items where name = :a", {"a": text}).value == 0
        assert Answer(databases, "select :a", {"a": text}).value == text


PIECES = """
select * from items where id = 1
insert into items values (9, 'x')
delete from items
drop table items
update items set name = 'x'
create table loot (a int)
with a as (
returning *
commit
union
' " ` $$ -- /* */ /*! ; \\ ) ( , e' # ::
""".strip().splitlines()
PIECES = [*PIECES[:-1], *PIECES[-1].split(), "\n"]


@pytest.mark.usefixtures("unwritten")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=8),
    begin=st.sampled_from(["", "select 1 ", "with b as (select 1) "]),
)
def test_whatever_is_asked_nothing_is_written(databases: Databases, pieces: list[str], begin: str) -> None:
    attempt(databases, begin + " ".join(pieces))


def test_a_write_is_seen_by_these_tests(place: Place) -> None:
    before = place.state()
    place.do("insert into items values (9, 'x')")
    changed = place.state()
    place.do("delete from items where id = 9")
    assert changed != before


def test_a_query_leaves_no_setting_behind(postgres: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that the fence should have held back."""
    with contextlib.closing(Databases({"here": postgres.url}, slots=1, limits=Limits(timeout=30))) as databases:
        monkeypatch.setattr(querying, "checked", lambda query, params, rules: Statement(query, None))
        Answer(
            databases, "select set_config('default_transaction_read_only', 'off', false), set_config('a.b', 'c', false)"
        )
        found = Answer(databases, "select current_setting('transaction_read_only'), current_setting('a.b', true)").rows
    assert found == [["on", None]] or found == [["on", ""]]
