-- name: put
insert into schedules (name, handler, grp, cron, timezone, missed, retries, next_at, fired, last)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (name) do update set
    handler = excluded.handler, grp = excluded.grp, cron = excluded.cron, timezone = excluded.timezone,
    missed = excluded.missed, retries = excluded.retries,
    next_at = case when (schedules.cron, schedules.timezone) = (excluded.cron, excluded.timezone)
        then schedules.next_at else excluded.next_at end

-- name: drop
delete from schedules where name = $1 returning name

-- name: all
select name, handler, grp, cron, timezone, missed, retries, next_at, fired, last from schedules order by name

-- name: fire
-- Whoever names the right count wins; the row stays locked until the job is there. $4 is its id, null for none.
update schedules set fired = fired + ($4::text is not null)::int, next_at = $3, last = coalesce($4, last)
where name = $1 and fired = $2 returning name
