-- name: put
insert into schedules (name, handler, grp, cron, missed, next_at, fired) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (name) do update set
    handler = excluded.handler, grp = excluded.grp, cron = excluded.cron, missed = excluded.missed,
    next_at = case when schedules.cron = excluded.cron then schedules.next_at else excluded.next_at end,
    fired = case when schedules.cron = excluded.cron then schedules.fired else excluded.fired end

-- name: drop
delete from schedules where name = $1 returning name

-- name: all
select name, handler, grp, cron, missed, next_at, fired from schedules order by name

-- name: fire
-- Whoever names the right count wins; the row stays locked until the job is there.
update schedules set fired = fired + 1, next_at = $3 where name = $1 and fired = $2 returning name
