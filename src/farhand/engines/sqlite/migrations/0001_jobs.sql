-- Durable jobs, their logs, and what finds them again.

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    grp TEXT NOT NULL,
    handler TEXT NOT NULL,
    labels TEXT NOT NULL,
    schedule TEXT NOT NULL,
    priority INTEGER NOT NULL,
    run_at REAL NOT NULL,
    begin_by REAL NOT NULL,
    end_by REAL NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    worker TEXT NOT NULL DEFAULT '',
    lease_until REAL NOT NULL DEFAULT 0,
    entries INTEGER NOT NULL DEFAULT 0,
    ended REAL,
    job BLOB NOT NULL,
    last BLOB
) WITHOUT ROWID;

-- Partial indexes hold unfinished jobs only, so that a million finished ones don't slow a claim.
CREATE INDEX jobs_to_claim ON jobs (grp, priority DESC, run_at, id) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state IN ('assigned', 'running', 'cancelling');
CREATE INDEX jobs_to_end ON jobs (end_by) WHERE ended IS NULL AND end_by < 9e999;
CREATE INDEX jobs_to_begin ON jobs (begin_by) WHERE state IN ('waiting', 'queued') AND attempt = 0 AND begin_by < 9e999;
CREATE INDEX jobs_ended ON jobs (handler, ended) WHERE ended IS NOT NULL;

CREATE TABLE log (
    job TEXT NOT NULL,
    place INTEGER NOT NULL,
    at REAL NOT NULL,
    number INTEGER NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (job, place)
) WITHOUT ROWID;

CREATE TABLE parents (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;

CREATE TABLE keys (key TEXT PRIMARY KEY, job TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;

CREATE TABLE cache (key TEXT PRIMARY KEY, handler TEXT NOT NULL, job TEXT NOT NULL, ttl REAL NOT NULL) WITHOUT ROWID;

CREATE TABLE schedules (name TEXT PRIMARY KEY, fired INTEGER NOT NULL, schedule BLOB NOT NULL) WITHOUT ROWID;

CREATE INDEX keys_by_job ON keys (job);
CREATE INDEX cache_by_job ON cache (job);
