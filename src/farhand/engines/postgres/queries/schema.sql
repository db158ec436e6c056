-- name: lock
-- One hub at a time brings a schema up to date.
select pg_advisory_xact_lock(hashtext('farhand'), hashtext($1))

-- name: exists
select exists (select from pg_namespace where nspname = $1)

-- name: versions
create table if not exists versions (
    number integer primary key,
    name text not null,
    applied timestamptz not null default clock_timestamp()
)

-- name: version
select coalesce(max(number), 0) from versions

-- name: record
insert into versions (number, name) values ($1, $2)

-- name: clock
select extract(epoch from clock_timestamp())::float8

-- name: one_tidies
-- Whoever has this lock tidies; the others needn't.
select pg_try_advisory_lock(hashtext('farhand tidies'), hashtext($1))

-- name: tidied
select pg_advisory_unlock(hashtext('farhand tidies'), hashtext($1))

-- name: tidy
-- Without waiting for anyone's lock, and without taking the table's own to cut its file.
vacuum (skip_locked, truncate off, index_cleanup on, analyze off) live

-- name: notify
-- $1 channel, $2 what is told. It writes nothing, so its commit, during which no other transaction can notify, is short.
select pg_notify($1, told) from unnest($2::text[]) as told
