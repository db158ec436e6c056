-- name: known
-- The job that stands for another: $1 its idempotency key, $2 its cache key, $3 now.
(select id, 'key' as how from keys where key = $1 and until > $3)
union all
(select id, case when finished then 'cached' else 'twin' end from caches where cache_key = $2 and until > $3)

-- name: take_key
-- Let a key stand for this job, unless it still stands for another. Whoever comes second waits here for the first.
insert into keys (key, id, until) values ($1, $2, $3)
on conflict (key) do update set id = excluded.id, until = excluded.until where keys.until <= $4
returning id

-- name: take_cache
insert into caches (cache_key, handler, id, finished, until) values ($1, $2, $3, false, 'infinity')
on conflict (cache_key) do update set handler = excluded.handler, id = excluded.id, finished = false, until = 'infinity'
    where caches.until <= $4
returning id

-- name: answer
-- A job that has ended answers for its cache key until $2.
update caches set finished = true, until = $2 where id = $1

-- name: free
-- Or it doesn't.
delete from caches where id = $1

-- name: uncache
delete from caches where handler = $1 and ($2 = '' or cache_key = $2) and finished returning id

-- name: tie
-- Parents that have not ended are told that a child waits; their rows stay locked until it is there.
update live set tied = true where id in (
    select id from live where id = any($1::text[]) order by id for no key update
)
returning id

-- name: ends
-- How those of some jobs that have ended did; they stay until the transaction is over.
select id, state from ended where id = any($1::text[]) for key share

-- name: link
insert into links (parent, child, nth)
select parent, $2, nth from unnest($1::text[]) with ordinality as after (parent, nth)
on conflict do nothing

-- name: children
-- The jobs that wait for this one, locked.
select id from live where state = 'waiting' and id in (
    select child from links where parent = $1
) order by id for update

-- name: ready
-- Those of some jobs whose parents have all succeeded.
select id from unnest($1::text[]) as child (id) where not exists (
    select from links left join ended on ended.id = links.parent
    where links.child = child.id and ended.state is distinct from 'succeeded'
)
