-- name: put
insert into records (kind, key, value) values ($1, $2, $3)
on conflict (kind, key) do update set value = excluded.value

-- name: one
select value from records where kind = $1 and key = $2

-- name: all
select key, value from records where kind = $1 order by key

-- name: drop
delete from records where kind = $1 and key = $2 returning key
