-- The code of the fault that a job ended with, so that those that used up their attempts are found at once.

ALTER TABLE jobs ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_by_code ON jobs (code, id) WHERE code <> '';
