-- Every table and view that is not the system's own, with its columns in their order.
select n.nspname, c.relname, c.relkind in ('v', 'm'), a.attname,
       regexp_replace(format_type(a.atttypid, a.atttypmod), '\(.*\)', ''),
       substring(format_type(a.atttypid, a.atttypmod) from '\((.*)\)'),
       not a.attnotnull
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'v', 'm', 'p', 'f')
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%' and n.nspname not like 'pg\_temp%'
  and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
order by n.nspname, c.relname, a.attnum
