-- The server may run as a role that owns nothing: `turbocat migrate grant` gives it what it needs.

-- Who appends to the audit log needs no right on the chain: the seal is set with the rights of the owner of the tables,
-- by names that nobody else can put something in front of. A role that can write the chain itself could forge it, from
-- a trigger on a temporary table of its own.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION audit_logs_seal() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp',
    current_schema());
END
$$;
REVOKE ALL ON FUNCTION audit_logs_seal() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_seal(audit_logs) FROM PUBLIC;
