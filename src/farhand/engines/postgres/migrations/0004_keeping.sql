-- Where a log begins, how many chunks of the attempt at that place are gone, and what workers declare to be kept.
-- Of jobs that were started anew before, it is not known here which.
alter table live add column log_begin bigint not null default 0, add column cut bigint not null default 0;
alter table ended add column log_begin bigint not null default 0, add column cut bigint not null default 0;
alter table jobs add column retry_of text collate "C" not null default '';
create index jobs_retried on jobs (retry_of, id) where retry_of <> '';

create table keeps (
    grp text collate "C" not null,
    handler text collate "C" not null,
    keep bytea not null,
    primary key (grp, handler)
);
