-- Where a log begins, how many chunks of the attempt at that place are gone, and what workers declare to be kept.
-- Of jobs that were started anew before, it is not known here which.

ALTER TABLE jobs ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN retry_of TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_retried ON jobs (retry_of, id) WHERE retry_of <> '';

CREATE TABLE keeps (grp TEXT NOT NULL, handler TEXT NOT NULL, keep BLOB NOT NULL, PRIMARY KEY (grp, handler)) WITHOUT ROWID;
