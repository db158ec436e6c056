-- name: insert_job
-- Keep a new job.
INSERT INTO jobs (id, state, grp, handler, labels, schedule, priority, run_at, begin_by, end_by, job, retry_of, entries)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1);

-- name: job
-- One job.
SELECT state, epoch, attempt, run_at, worker, lease_until, entries, first, cut, ended, job, last FROM jobs WHERE id = ?;

-- name: submitted
-- One job as it was submitted.
SELECT job FROM jobs WHERE id = ?;

-- name: state
-- Where a job is that has not ended, how many entries its log has, and whether it has children that have not ended.
SELECT state, epoch, attempt, run_at, worker, lease_until, entries, first, cut,
    EXISTS (SELECT 1 FROM parents WHERE parent = jobs.id)
FROM jobs WHERE id = ?;

-- name: jobs_to_claim
-- What may begin, in the order in which it is to be taken.
SELECT id, handler, labels, epoch, attempt, run_at, entries, first, cut FROM jobs
WHERE grp = ? AND state = 'queued' AND run_at <= ?
ORDER BY priority DESC, run_at, id;

-- name: job_to_claim
-- The same of one job.
SELECT id, handler, labels, epoch, attempt, run_at, entries, first, cut FROM jobs
WHERE id = ?3 AND grp = ?1 AND state = 'queued' AND run_at <= ?2;

-- name: tally
-- How many jobs of a group are in each state.
SELECT state, count(*) FROM jobs WHERE grp = ? GROUP BY state;

-- name: claim
-- Give a job to a worker.
UPDATE jobs SET state = 'assigned', epoch = epoch + 1, attempt = attempt + 1, worker = ?, lease_until = ? WHERE id = ?;

-- name: insert_entry
-- Add to a log.
INSERT INTO log (job, place, at, number, event) VALUES (?, ?, ?, ?, ?);

-- name: set_entries
-- How many entries a log has.
UPDATE jobs SET entries = ? WHERE id = ?;

-- name: move
-- Another state before the end.
UPDATE jobs SET state = ?, run_at = ?, worker = ?, lease_until = ?, entries = ? WHERE id = ?;

-- name: release
-- Its parents have ended.
UPDATE jobs SET state = 'queued' WHERE id = ?;

-- name: finish
-- The one end.
UPDATE jobs SET state = ?, ended = ?, last = ?, code = ?, entries = ?, worker = ?, lease_until = 0 WHERE id = ?;

-- name: renew
-- Extend a lease that still holds.
UPDATE jobs SET lease_until = ? WHERE id = ? AND epoch = ? AND state IN ('assigned', 'running', 'cancelling')
RETURNING 1;

-- name: adopt
-- Make a lease that still holds another's.
UPDATE jobs SET epoch = epoch + 1, worker = ?, lease_until = ?
WHERE id = ? AND epoch = ? AND state IN ('assigned', 'running', 'cancelling')
RETURNING 1;

-- name: overdue
-- What needs a decision.
SELECT id FROM (
    SELECT id, lease_until AS due FROM jobs
    WHERE state IN ('assigned', 'running', 'cancelling') AND lease_until <= ?1
    UNION ALL
    SELECT id, end_by FROM jobs WHERE ended IS NULL AND end_by < 9e999 AND end_by <= ?1
    UNION ALL
    SELECT id, begin_by FROM jobs
    WHERE state IN ('waiting', 'queued') AND attempt = 0 AND begin_by < 9e999 AND begin_by <= ?1
) GROUP BY id ORDER BY min(due), id LIMIT ?2;

-- name: wake_at
-- When something is next due.
SELECT min(due) FROM (
    SELECT min(lease_until) AS due FROM jobs
    WHERE state IN ('assigned', 'running', 'cancelling') AND lease_until > ?1
    UNION ALL
    SELECT min(end_by) FROM jobs WHERE ended IS NULL AND end_by < 9e999 AND end_by > ?1
    UNION ALL
    SELECT min(begin_by) FROM jobs
    WHERE state IN ('waiting', 'queued') AND attempt = 0 AND begin_by < 9e999 AND begin_by > ?1
    UNION ALL
    SELECT min(run_at) FROM jobs WHERE state = 'queued' AND run_at > ?1
);

-- name: waiting
-- How many wait, by group.
SELECT grp, count(*) FROM jobs WHERE state IN ('queued', 'waiting') GROUP BY grp;

-- name: key
-- The job of an idempotency key.
SELECT job FROM keys WHERE key = ? AND until > ?;

-- name: put_key
-- Remember one.
INSERT OR REPLACE INTO keys (key, job, until) VALUES (?, ?, ?);

-- name: cached
-- The job of a cache key, and for how long its success answers.
SELECT job, ttl FROM cache WHERE key = ?;

-- name: put_cached
-- Remember one.
INSERT OR REPLACE INTO cache (key, handler, job, ttl) VALUES (?, ?, ?, ?);

-- name: drop_cached
-- A job that answers for no equal work.
DELETE FROM cache WHERE key = ? AND job = ?;

-- name: uncache
-- Finished jobs of a handler answer no more.
DELETE FROM cache WHERE handler = ?1 AND (?2 = '' OR key = ?2)
AND job IN (SELECT id FROM jobs WHERE ended IS NOT NULL) RETURNING 1;

-- name: insert_parent
-- A child has begun to be one.
INSERT OR IGNORE INTO parents (parent, child) VALUES (?, ?);

-- name: children
-- A job's children that have not ended.
SELECT child FROM parents WHERE parent = ?;

-- name: drop_child
-- A job has ended: it needs its parents no more.
DELETE FROM parents WHERE parent = ? AND child = ?;

-- name: read
-- A part of a log.
SELECT place, at, number, event FROM log WHERE job = ? AND place >= ? ORDER BY place LIMIT ?;

-- name: trim
-- Let a log begin later.
UPDATE jobs SET first = ?1, cut = coalesce(?2, cut) WHERE id = ?3 AND first < ?1 AND entries > ?1 RETURNING 1;

-- name: drop_before
-- The part of a log before its beginning.
DELETE FROM log WHERE job = ? AND place < ?;

-- name: lengths
-- How large the entries of a log are.
SELECT place, length(event) FROM log WHERE job = ? AND place >= ? ORDER BY place LIMIT ?;

-- name: declare
-- What the workers of a group declare to be kept of a handler's jobs.
INSERT OR REPLACE INTO keeps (grp, handler, keep) VALUES (?, ?, ?);

-- name: declared
-- All of that.
SELECT grp, handler, keep FROM keeps ORDER BY grp, handler;

-- name: history
-- The handlers that have ended jobs: the index is entered three times for each.
WITH RECURSIVE names (handler) AS (
    SELECT (SELECT handler FROM jobs WHERE ended IS NOT NULL ORDER BY handler LIMIT 1)
    UNION ALL
    SELECT (SELECT handler FROM jobs WHERE ended IS NOT NULL AND handler > names.handler ORDER BY handler LIMIT 1)
    FROM names WHERE names.handler IS NOT NULL
)
SELECT handler,
    (SELECT ended FROM jobs WHERE handler = names.handler AND ended IS NOT NULL ORDER BY ended LIMIT 1),
    (SELECT ended FROM jobs WHERE handler = names.handler AND ended IS NOT NULL ORDER BY ended DESC LIMIT 1)
FROM names WHERE handler IS NOT NULL;

-- name: surplus
-- The newest ended job that is not among so many newest.
SELECT ended, id FROM jobs WHERE handler = ? AND ended IS NOT NULL ORDER BY ended DESC, id DESC LIMIT 1 OFFSET ?;

-- name: prunable
-- Ended jobs of a handler between two places, the oldest first, and whether something needs each: a child that has not
-- ended, a key, or a cache entry with a time of its own.
SELECT ended, id, EXISTS (SELECT 1 FROM parents WHERE parent = old.id)
    OR EXISTS (SELECT 1 FROM keys WHERE job = old.id AND until > ?7)
    OR EXISTS (SELECT 1 FROM cache WHERE job = old.id AND ttl < 9e999 AND old.ended + ttl > ?7)
FROM jobs AS old WHERE handler = ?1 AND ended IS NOT NULL AND ended >= ?2 AND ended <= ?4
AND (ended, id) > (?2, ?3) AND (ended, id) <= (?4, ?5)
ORDER BY ended, id LIMIT ?6;

-- name: prunable_now
-- Where the log of such a job begins and ends, and how large its own row is, if nothing needs it.
SELECT first, entries, length(job) + coalesce(length(last), 0) FROM jobs AS old WHERE id = ?1 AND ended IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM parents WHERE parent = old.id)
AND NOT EXISTS (SELECT 1 FROM keys WHERE job = old.id AND until > ?2)
AND NOT EXISTS (SELECT 1 FROM cache WHERE job = old.id AND ttl < 9e999 AND old.ended + ttl > ?2);

-- name: drop_job
-- Forget a job.
DELETE FROM jobs WHERE id = ?;

-- name: drop_log
-- And its log.
DELETE FROM log WHERE job = ?;

-- name: drop_key_of
-- And its idempotency key.
DELETE FROM keys WHERE job = ?;

-- name: drop_cached_of
-- And its cache entry.
DELETE FROM cache WHERE job = ?;

-- name: schedules
-- All of them.
SELECT schedule FROM schedules ORDER BY name;

-- name: schedule
-- One of them.
SELECT schedule FROM schedules WHERE name = ?;

-- name: put_schedule
-- Keep one.
INSERT OR REPLACE INTO schedules (name, fired, schedule) VALUES (?, ?, ?);

-- name: drop_schedule
-- Forget one.
DELETE FROM schedules WHERE name = ? RETURNING 1;

-- name: put_record
-- Keep a record.
INSERT OR REPLACE INTO records (kind, key, value) VALUES (?, ?, ?);

-- name: record
-- One of them.
SELECT value FROM records WHERE kind = ? AND key = ?;

-- name: records
-- All of a kind.
SELECT key, value FROM records WHERE kind = ? ORDER BY key;

-- name: drop_record
-- Forget one.
DELETE FROM records WHERE kind = ? AND key = ? RETURNING 1;
