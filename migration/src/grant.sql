-- Gives the role that `turbocat.grantee` names what a server needs, and takes away what it does not: to read and write
-- rows of the tables that the owner of the migration table owns, to append to the audit log, and to read its chain.
-- What is granted to everybody (PUBLIC) is not touched.
DO $grant$
DECLARE
    grantee name := current_setting('turbocat.grantee');
    place name := current_schema();
    one record;
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), grantee);
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', place, grantee);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', place, grantee);
    FOR one IN
        SELECT t.relname, CASE
                -- The audit log is appended to, and sealed by a trigger of the owner's.
                WHEN t.relname = 'audit_logs' THEN 'SELECT, INSERT'
                WHEN t.relname IN ('audit_links', 'audit_head', 'seaql_migrations') THEN 'SELECT'
                ELSE 'SELECT, INSERT, UPDATE, DELETE'
            END AS rights
        FROM pg_class AS t
        WHERE t.relnamespace = place::regnamespace AND t.relkind IN ('r', 'p')
            AND t.relowner = (SELECT m.relowner FROM pg_class AS m WHERE m.oid = to_regclass('seaql_migrations'))
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %I.%I FROM %I', place, one.relname, grantee);
        EXECUTE format('GRANT %s ON TABLE %I.%I TO %I', one.rights, place, one.relname, grantee);
    END LOOP;
END
$grant$;

-- The function that runs queries of agents belongs to a role of its own, which alone can let others call it.
DO $grant$
BEGIN
    IF to_regprocedure('turbocat_run_sql(text, jsonb, int4, int8)') IS NOT NULL THEN
        SET LOCAL ROLE turbocat_sql;
        EXECUTE format('GRANT EXECUTE ON FUNCTION turbocat_run_sql(text, jsonb, int4, int8) TO %I',
            current_setting('turbocat.grantee'));
        RESET ROLE;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'agents that query tables are not available to the role: %', SQLERRM;
END
$grant$;
