-- The code of the fault that a job ended with, so that those that used up their attempts are found at once.
alter table ended add column code text collate "C" not null default '';
create index ended_with_code on ended (code, id) where code <> '';
