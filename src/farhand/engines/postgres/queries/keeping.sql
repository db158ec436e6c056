-- name: trim
-- Let a log begin later: $1 the job, $2 the offset, $3 how many chunks of its attempt came before.
with running as (
    update live set log_begin = $2, cut = $3 where id = $1 and log_begin < $2 and log_end > $2 returning id
), over as (
    update ended set log_begin = $2, cut = $3 where id = $1 and log_begin < $2 and log_end > $2 returning id
), trimmed as (
    select id from running union all select id from over
), gone as (
    delete from entries using trimmed where entries.job = trimmed.id and entries.place < $2
)
select count(*) from trimmed

-- name: declare
-- In the order of the keys, so that two hubs don't wait for each other.
insert into keeps (grp, handler, keep)
select grp, handler, keep from unnest($1::text[], $2::text[], $3::bytea[]) as given (grp, handler, keep)
order by grp, handler
on conflict (grp, handler) do update set keep = excluded.keep

-- name: declared
select grp, handler, keep from keeps order by grp, handler

-- name: history
-- The index is entered three times for each handler.
with recursive names as (
    (select handler from ended order by handler limit 1)
    union all
    select (select ended.handler from ended where ended.handler > names.handler order by ended.handler limit 1)
    from names where names.handler is not null
)
select handler,
    (select ended from ended where ended.handler = names.handler order by ended, id limit 1) as oldest,
    (select ended from ended where ended.handler = names.handler order by ended desc, id desc limit 1) as newest
from names where handler is not null

-- name: surplus
select ended, id from ended where handler = $1 order by ended desc, id desc offset $2 limit 1

-- name: one_prunes
-- Whoever has this lock, until the transaction is over, prunes; the others needn't.
select pg_try_advisory_xact_lock(hashtext('farhand prunes'), hashtext($1))

-- name: prunable
-- $1 handler, after the place $2, $3, up to $4, $5, at most $6, by the time $7; the oldest first, and whether something
-- needs each: a child that has not ended, a key, or a cache entry with a time of its own.
select old.id, old.ended, old.log_begin, old.log_end, old.cut,
    exists (select from keys where keys.id = old.id and keys.until > $7)
    or exists (select from caches where caches.id = old.id and caches.until > $7 and caches.until < 'infinity')
    or exists (select from links join live on live.id = links.child where links.parent = old.id) as needed
from ended as old
where handler = $1 and (ended, id) > ($2, $3::text) and (ended, id) <= ($4, $5::text)
order by ended, id limit $6

-- name: lengths
-- How large jobs are, $1, and up to $3 entries of the log of each from $2 on. The lengths are known without the bodies,
-- which may lie outside the row.
select asked.job, octet_length(jobs.body) as own, page.place, page.size
from unnest($1::text[], $2::bigint[]) with ordinality as asked (job, first, nth)
join jobs on jobs.id = asked.job
cross join lateral (
    select place, octet_length(body) as size from entries
    where entries.job = asked.job and place >= asked.first order by place limit $3
) as page
order by asked.nth, page.place

-- name: doomed
-- Those of some jobs that no other transaction has; from here on none begins to come after them.
select id from ended where id = any($1::text[]) for update skip locked

-- name: tied
-- Those of them that one has come after meanwhile.
select distinct links.parent as id from links join live on live.id = links.child where links.parent = any($1::text[])

-- name: drop
with gone as (
    delete from ended where id = any($1::text[])
), logs as (
    delete from entries where job = any($1::text[])
), bodies as (
    delete from jobs where id = any($1::text[])
), old_keys as (
    delete from keys where id = any($1::text[])
), old_caches as (
    delete from caches where id = any($1::text[])
), to_parents as (
    delete from links where child = any($1::text[])
)
delete from links where parent = any($1::text[])
