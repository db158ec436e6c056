-- name: add
-- Keep a job that has not ended, with the first entry of its log.
with job as (
    insert into jobs (id, handler, grp, schedule, labels, body, retry_of)
    values ($1, $2, $3, $4, $5, $6, $15)
), said as (
    insert into entries (job, place, at, number, body) values ($1, 0, $7, 0, $8)
)
insert into live (
    id, handler, grp, labels, priority, run_at, begin_by, end_by, state, log_end, tied, delayed
) values ($1, $2, $3, $5, $9, $10, $11, $12, $13, 1, $14, $10 > $7)

-- name: get
select jobs.body, live.state, live.epoch, live.attempt, live.run_at, live.worker, live.lease_until,
    live.log_end, live.log_begin, live.cut,
    null::float8 as ended, null::bytea as last
from live join jobs using (id) where live.id = any($1::text[])
union all
select jobs.body, ended.state, ended.epoch, ended.attempt, ended.run_at, ended.worker, 0, ended.log_end,
    ended.log_begin, ended.cut, ended.ended, ended.last
from ended join jobs using (id) where ended.id = any($1::text[])

-- name: plan_for_these
-- What is listed by differs from call to call, and so does the best index.
set local plan_cache_mode = force_custom_plan

-- name: find
-- $1 states that are not ends, $2 states that are, $3 handler, $4 group, $5 labels, $6 schedule, $7 before, $8 limit,
-- $9 whether all states are those of leased jobs, which are few and have an index of their own;
-- $10 code, which only those that have ended can have; $11 the job that is started anew; $12 the cache key.
select * from (
    (select jobs.id, jobs.body, live.state, live.epoch, live.attempt, live.run_at, live.worker, live.lease_until,
        live.log_end, live.log_begin, live.cut, null::float8 as ended, null::bytea as last
    from live join jobs using (id)
    where cardinality($1::text[]) > 0 and live.state = any($1::text[]) and (not $9 or live.leased) and $10 = ''
        and ($3 = '' or jobs.handler = $3) and ($4 = '' or jobs.grp = $4) and ($5::jsonb is null or jobs.labels @> $5)
        and ($6 = '' or jobs.schedule = $6) and ($7 = '' or jobs.id < $7)
        and ($11 = '' or (jobs.retry_of = $11 and jobs.retry_of <> ''))
        and ($12 = '' or jobs.id = (select caches.id from caches where cache_key = $12))
    order by jobs.id desc limit $8)
    union all
    (select jobs.id, jobs.body, ended.state, ended.epoch, ended.attempt, ended.run_at, ended.worker, 0, ended.log_end,
        ended.log_begin, ended.cut, ended.ended, ended.last
    from ended join jobs using (id)
    where cardinality($2::text[]) > 0 and ended.state = any($2::text[])
        and ($10 = '' or (ended.code = $10 and ended.code <> ''))
        and ($3 = '' or jobs.handler = $3) and ($4 = '' or jobs.grp = $4) and ($5::jsonb is null or jobs.labels @> $5)
        and ($6 = '' or jobs.schedule = $6) and ($7 = '' or jobs.id < $7)
        and ($11 = '' or (jobs.retry_of = $11 and jobs.retry_of <> ''))
        and ($12 = '' or jobs.id = (select caches.id from caches where cache_key = $12))
    order by jobs.id desc limit $8)
) as found order by id desc limit $8

-- name: claim
-- One caller's claim: $1 which caller, $2 group, $3 handlers, $4 labels, $5 worker, $6 count, $7 now, $8 lease until,
-- $9 the only job, or ''.
-- The queue is walked priority by priority, each only up to the present, so that jobs that are to run later cost
-- nothing; rows that another claim has locked are passed over.
with recursive levels as (
    (select priority from live where queued and grp = $2 order by priority desc limit 1)
    union all
    select (select below.priority from live as below
        where below.queued and below.grp = $2 and below.priority < levels.priority
        order by below.priority desc limit 1)
    from levels where levels.priority is not null
), taken as materialized (
    select job.id from levels cross join lateral (
        select live.id from live
        where queued and grp = $2 and priority = levels.priority and run_at <= $7
            and handler = any($3::text[]) and (labels is null or labels <@ $4::jsonb) and ($9 = '' or id = $9)
        order by run_at, id for update skip locked
    ) as job limit $6
)
update live set state = 'assigned', epoch = epoch + 1, attempt = attempt + 1, worker = $5, lease_until = $8
from taken join jobs using (id) where live.id = taken.id
returning $1::bigint as asker, jobs.body, live.state, live.epoch, live.attempt, live.run_at, live.worker,
    live.lease_until, live.log_end, live.log_begin, live.cut, null::float8 as ended, null::bytea as last

-- name: due
-- What a claim would take: $1 group, $2 handlers, $3 labels, $4 count, $5 now, $6 the only job, or ''.
select jobs.body, live.state, live.epoch, live.attempt, live.run_at, live.worker, live.lease_until,
    live.log_end, live.log_begin, live.cut, null::float8 as ended, null::bytea as last
from live join jobs using (id)
where live.queued and live.grp = $1 and live.run_at <= $5 and live.handler = any($2::text[])
    and (live.labels is null or live.labels <@ $3::jsonb) and ($6 = '' or live.id = $6)
order by live.priority desc, live.run_at, live.id limit $4

-- name: tally
select state, count(*) from live where grp = $1 group by state
union all
select ended.state, count(*) from ended join jobs using (id) where jobs.grp = $1 group by ended.state

-- name: move
-- One caller's move to a state that is no end: $1 which caller, $2 id, $3 sources, $4 epoch or null, $5 state, $6 now,
-- $7 events, $8 their numbers, $9 run at or null, $10 the worker if it is known now.
with moved as (
    update live set
        state = $5,
        run_at = case when $5 = 'queued' then coalesce($9::float8, run_at) else run_at end,
        delayed = case when $5 = 'queued' then coalesce($9::float8, run_at) > $6 else delayed end,
        worker = case when $5 = 'queued' then '' else coalesce(nullif($10, ''), worker) end,
        lease_until = case when $5 = 'queued' then 0 else lease_until end,
        log_end = log_end + cardinality($7::bytea[])
    where id = $2 and state = any($3::text[]) and ($4::bigint is null or epoch = $4)
    returning *
), said as (
    insert into entries (job, place, at, number, body)
    select moved.id, moved.log_end - cardinality($7::bytea[]) + event.nth - 1, $6, event.number, event.body
    from moved cross join unnest($7::bytea[], $8::bigint[]) with ordinality as event (body, number, nth)
)
select $1::bigint as asker, jobs.body, moved.state, moved.epoch, moved.attempt, moved.run_at, moved.worker,
    moved.lease_until, moved.log_end, moved.log_begin, moved.cut, null::float8 as ended, null::bytea as last
from moved join jobs using (id)

-- name: finish
-- One caller's move to an end: $1 to $8 as for `move`, $9 whether it may be a job on whose end something depends, which
-- is then to be settled in the same transaction, $10 the code of its fault, $11 the worker if it is known now.
with gone as (
    delete from live
    where id = $2 and state = any($3::text[]) and ($4::bigint is null or epoch = $4) and (not tied or $9)
    returning *
), said as (
    insert into entries (job, place, at, number, body)
    select gone.id, gone.log_end + event.nth - 1, $6, event.number, event.body
    from gone cross join unnest($7::bytea[], $8::bigint[]) with ordinality as event (body, number, nth)
), kept as (
    insert into ended (
        id, handler, state, epoch, attempt, run_at, worker, log_end, log_begin, cut, ended, last, code
    )
    select id, handler, $5, epoch, attempt, run_at, coalesce(nullif($11, ''), worker),
        log_end + cardinality($7::bytea[]), log_begin, cut, $6,
        ($7::bytea[])[cardinality($7::bytea[])], $10
    from gone
    returning *
)
select $1::bigint as asker, jobs.body, kept.state, kept.epoch, kept.attempt, kept.run_at, kept.worker,
    0::float8 as lease_until, kept.log_end, kept.log_begin, kept.cut, kept.ended, kept.last
from kept join jobs using (id)

-- name: renew
-- Rows are locked in the order of their ids, so that two hubs don't wait for each other.
with held as (
    select live.id from live join unnest($1::text[], $2::bigint[]) as lease (id, epoch) using (id, epoch)
    where live.leased order by live.id for update of live
)
update live set lease_until = $3 from held where live.id = held.id returning live.id, live.epoch

-- name: adopt
-- Make a lease that holds another's.
with adopted as (
    update live set epoch = epoch + 1, worker = $3, lease_until = $4 where id = $1 and epoch = $2 and leased
    returning *
)
select jobs.body, adopted.state, adopted.epoch, adopted.attempt, adopted.run_at, adopted.worker, adopted.lease_until,
    adopted.log_end, adopted.log_begin, adopted.cut, null::float8 as ended, null::bytea as last
from adopted join jobs using (id)

-- name: overdue
select jobs.body, live.state, live.epoch, live.attempt, live.run_at, live.worker, live.lease_until,
    live.log_end, live.log_begin, live.cut,
    null::float8 as ended, null::bytea as last
from (
    select id, min(at) as at from (
        select id, lease_until as at from live where leased and lease_until <= $1
        union all
        select id, end_by from live where end_by <= $1 and end_by < 'infinity'
        union all
        select id, begin_by from live where begin_by <= $1 and begin_by < 'infinity' and attempt = 0 and not leased
    ) as due group by id order by at, id limit $2
) as late join live using (id) join jobs using (id) order by late.at, late.id

-- name: wake_at
select least(
    (select min(run_at) from live where queued and delayed and run_at > $1),
    (select min(lease_until) from live where leased and lease_until > $1),
    (select min(end_by) from live where end_by > $1 and end_by < 'infinity'),
    (select min(begin_by) from live where begin_by > $1 and begin_by < 'infinity' and attempt = 0 and not leased)
)

-- name: waiting
select grp, count(*) from live where not leased group by grp

-- name: append
-- One caller's events: $1 which caller, $2 id, $3 epoch, $4 events, $5 their numbers, $6 now.
with moved as (
    update live set log_end = log_end + cardinality($4::bytea[]) where id = $2 and epoch = $3 and leased
    returning id, log_end - cardinality($4::bytea[]) as first
), said as (
    insert into entries (job, place, at, number, body)
    select moved.id, moved.first + event.nth - 1, $6, event.number, event.body
    from moved cross join unnest($4::bytea[], $5::bigint[]) with ordinality as event (body, number, nth)
)
select $1::bigint as asker, first from moved

-- name: read
-- Of each of some callers: $1 the job, $2 the offset, $3 how many entries at most, $4 their size. The lengths are known
-- without the bodies, which may lie outside the row.
select asked.nth - 1 as asker, entries.place, entries.at, entries.number, entries.body
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
    with ordinality as asked (job, first, most, size, nth)
cross join lateral (
    select place, sum(octet_length(body)) over (order by place) - octet_length(body) as before from (
        select place, body from entries
        where entries.job = asked.job and place >= asked.first order by place limit asked.most
    ) as page
) as sized
join entries on entries.job = asked.job and entries.place = sized.place
where sized.before < asked.size order by asked.nth, entries.place
