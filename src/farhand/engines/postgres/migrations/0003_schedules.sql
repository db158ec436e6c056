-- `retries` is as MessagePack; `last` is the job of the last firing.
alter table schedules
    add column timezone text not null default 'UTC',
    add column retries bytea not null default '\x80',
    add column last text collate "C" not null default '';
