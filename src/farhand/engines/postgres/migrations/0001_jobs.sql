-- Every job as it was submitted: written once, never updated. `body` is the job as MessagePack; the other columns are
-- what jobs are listed by.
create table jobs (
    id text collate "C" primary key,
    handler text collate "C" not null,
    grp text collate "C" not null,
    schedule text collate "C" not null,
    labels jsonb,
    body bytea not null
);
create index jobs_of_handler on jobs (handler, id);
create index jobs_of_schedule on jobs (schedule, id) where schedule <> '';

-- The hot rows: jobs that have not ended, one row each, deleted at the end. Pages are half empty and the indexes name
-- no column that a start, an event or a renewal changes, so that these updates stay in their page and touch no index.
-- `log_end` is the offset of the next event. `tied`: something depends on how the job ends, a cache key or a child.
-- `delayed`: when it was queued its `run_at` was still to come.
create table live (
    id text collate "C" primary key,
    handler text collate "C" not null,
    grp text collate "C" not null,
    labels jsonb,
    priority bigint not null,
    run_at float8 not null,
    begin_by float8 not null,
    end_by float8 not null,
    state text collate "C" not null,
    epoch bigint not null default 0,
    attempt bigint not null default 0,
    worker text not null default '',
    lease_until float8 not null default 0,
    log_end bigint not null,
    tied boolean not null,
    delayed boolean not null,
    queued boolean not null generated always as (state = 'queued') stored,
    leased boolean not null generated always as (state in ('assigned', 'running', 'cancelling')) stored
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
create index live_queue on live (grp, priority desc, run_at, id, handler) where queued;
create index live_leased on live (id) where leased;
create index live_delayed on live (run_at) where queued and delayed;
create index live_begin_by on live (begin_by) where attempt = 0 and begin_by < 'infinity';
create index live_end_by on live (end_by) where end_by < 'infinity';

-- History: jobs that have ended, written once, deleted by the pruner. `last` is the last event.
create table ended (
    id text collate "C" primary key,
    handler text collate "C" not null,
    state text collate "C" not null,
    epoch bigint not null,
    attempt bigint not null,
    run_at float8 not null,
    worker text not null,
    log_end bigint not null,
    ended float8 not null,
    last bytea
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2);
create index ended_of_handler on ended (handler, ended, id);
create index ended_in_state on ended (state, id);

-- The logs, written once. `body` is the event as MessagePack, `place` its offset.
create table entries (
    job text collate "C" not null,
    place bigint not null,
    at float8 not null,
    number bigint not null,
    body bytea not null,
    primary key (job, place)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2);

-- Which job an idempotency key stands for, until when.
create table keys (
    key text collate "C" primary key,
    id text collate "C" not null,
    until float8 not null
);
create index keys_of_job on keys (id);

-- Which job answers for a cache key: one that has not ended, or one that has succeeded, until when.
create table caches (
    cache_key text collate "C" primary key,
    handler text collate "C" not null,
    id text collate "C" not null,
    finished boolean not null,
    until float8 not null
);
create index caches_of_job on caches (id);
create index caches_of_handler on caches (handler);

-- Which jobs come after which; `nth` is the parent's place among the child's.
create table links (
    parent text collate "C" not null,
    child text collate "C" not null,
    nth bigint not null,
    primary key (parent, child)
);
create index links_of_child on links (child);

create table schedules (
    name text collate "C" primary key,
    handler text not null,
    grp text not null,
    cron text not null,
    missed text not null,
    next_at float8 not null,
    fired bigint not null
);
