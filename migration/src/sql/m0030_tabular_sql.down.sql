-- The role stays: other databases of the server may use it.
DROP FUNCTION IF EXISTS turbocat_run_sql(text, jsonb, int4, int8);
