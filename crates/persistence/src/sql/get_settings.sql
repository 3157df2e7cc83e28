-- What durability and capacity depend on, as the server sees it for this session.
SELECT current_setting('server_version') AS server_version,
       current_setting('fsync')::bool AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes')::bool AS full_page_writes,
       current_setting('max_connections')::int4 AS max_connections,
       current_setting('TimeZone') AS time_zone,
       -- The function is there, and the role that it runs as can do nothing and read nothing.
       EXISTS (
           SELECT FROM pg_proc AS f JOIN pg_roles AS r ON r.oid = f.proowner
           WHERE f.proname = 'turbocat_run_sql' AND f.prosecdef AND r.rolname = 'turbocat_sql'
               AND NOT (r.rolsuper OR r.rolcanlogin OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls)
               AND NOT EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid)
               AND NOT EXISTS (
                   SELECT FROM pg_class AS t
                   WHERE t.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                       AND t.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege(r.oid, t.oid, 'SELECT')
               )
       ) AS tabular_sql
