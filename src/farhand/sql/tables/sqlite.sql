-- Every table and view that is not SQLite's own, with its columns in their order.
select 'main', m.name, m.type = 'view', p.name,
       case when instr(p.type, '(') > 0 then substr(p.type, 1, instr(p.type, '(') - 1) else p.type end,
       case when instr(p.type, '(') > 0 then rtrim(substr(p.type, instr(p.type, '(') + 1), ')') end,
       not p."notnull"
from sqlite_master m
left join pragma_table_xinfo(m.name) p
where m.type in ('table', 'view') and m.name not like 'sqlite\_%' escape '\'
order by m.name, p.cid
