-- What the role of this session may do that a server has no need of, in words. A superuser or an owner may do all of
-- it, and for them only that is said.
WITH me AS (
    SELECT r.rolsuper AS is_superuser, r.rolcreaterole, r.rolcreatedb,
           COALESCE(pg_has_role(r.oid, t.relowner, 'MEMBER'), false) AS is_owner
    FROM pg_roles AS r LEFT JOIN pg_class AS t ON t.oid = to_regclass('audit_logs')
    WHERE r.rolname = current_user
),
sealed AS (
    SELECT t.oid, t.relname, privilege FROM pg_class AS t,
        unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
    WHERE t.oid IN (to_regclass('audit_logs'), to_regclass('audit_links'), to_regclass('audit_head'))
        AND NOT (t.relname = 'audit_logs' AND privilege = 'INSERT')
)
SELECT 'it is a superuser' AS excess FROM me WHERE is_superuser
UNION ALL SELECT 'it owns the tables' FROM me WHERE is_owner AND NOT is_superuser
UNION ALL SELECT 'it may make roles' FROM me WHERE rolcreaterole AND NOT is_superuser
UNION ALL SELECT 'it may make databases' FROM me WHERE rolcreatedb AND NOT is_superuser
UNION ALL SELECT format('it may make tables in the schema %s', current_schema()) FROM me
    WHERE NOT is_superuser AND NOT is_owner AND has_schema_privilege(current_schema(), 'CREATE')
UNION ALL SELECT format('%s on %s', string_agg(sealed.privilege, ', ' ORDER BY sealed.privilege), sealed.relname)
    FROM me, sealed
    WHERE NOT is_superuser AND NOT is_owner AND has_table_privilege(sealed.oid, sealed.privilege)
    GROUP BY sealed.relname
