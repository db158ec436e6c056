-- Small things that a hub has to know again after a restart.
create table records (
    kind text collate "C" not null,
    key text collate "C" not null,
    value bytea not null,
    primary key (kind, key)
);
