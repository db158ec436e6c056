-- Every table and view that is not the system's own, with its columns in their order.
select t.table_schema, t.table_name, t.table_type like '%VIEW', c.column_name, c.data_type,
       case when locate('(', c.column_type) > 0
            then substring_index(substring(c.column_type, locate('(', c.column_type) + 1), ')', 1) end,
       c.is_nullable = 'YES'
from information_schema.tables t
left join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
where t.table_schema not in ('information_schema', 'mysql', 'performance_schema', 'sys')
order by t.table_schema, t.table_name, c.ordinal_position
