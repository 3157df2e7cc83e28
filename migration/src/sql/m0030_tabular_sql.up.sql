-- Runs the queries of data agents under a role that has no rights, wherever this user may make one.
--
-- The function is SECURITY DEFINER and belongs to that role. PostgreSQL refuses to change `role` and
-- `session_authorization` inside of such a function, by SET, RESET and set_config alike, so that a query cannot get
-- back to the rights of who called it; that is what a SET ROLE before the query could not give.
--
-- A role belongs to the whole server: several databases share it, and it is never dropped. Without the right to make one,
-- nothing is made: `turbocat doctor` says what to do then, and the next `turbocat migrate up` tries again.
DO $setup$
DECLARE
    installer name := current_user;
    place name := current_schema();
    is_superuser bool := current_setting('is_superuser')::bool;
BEGIN
    IF to_regrole('turbocat_sql') IS NULL THEN
        BEGIN
            CREATE ROLE turbocat_sql NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- Another database of this server has made it just now.
        END;
    END IF;

    -- One loop over a cursor: a text with more than one statement cannot be opened as one, nor can one that is no query.
    -- Rows and bytes are counted as they come, so that nothing past the limits is ever kept.
    CREATE FUNCTION turbocat_run_sql(query text, tables jsonb, rows_max int4, bytes_max int8) RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $function$
    DECLARE
        line text;
        row_count int4 := 0;
        byte_count int8 := 0;
    BEGIN
        FOR line IN EXECUTE query USING tables LOOP
            row_count := row_count + 1;
            byte_count := byte_count + octet_length(line);
            IF row_count > rows_max THEN
                RAISE EXCEPTION USING ERRCODE = 'TC001', MESSAGE = format('the answer has more than %s rows', rows_max);
            END IF;
            IF byte_count > bytes_max THEN
                RAISE EXCEPTION USING ERRCODE = 'TC001', MESSAGE = format('the answer has more than %s bytes', bytes_max);
            END IF;
            RETURN NEXT line;
        END LOOP;
    END
    $function$;

    IF NOT is_superuser THEN
        IF NOT pg_has_role('turbocat_sql', 'MEMBER') THEN
            EXECUTE format('GRANT turbocat_sql TO %I', installer);
        END IF;
        EXECUTE format('GRANT CREATE ON SCHEMA %I TO turbocat_sql', place);
    END IF;
    ALTER FUNCTION turbocat_run_sql(text, jsonb, int4, int8) OWNER TO turbocat_sql;
    IF NOT is_superuser THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM turbocat_sql', place);
    END IF;
    -- What the role owns it grants itself: the rights of who made the function went with it.
    SET LOCAL ROLE turbocat_sql;
    REVOKE ALL ON FUNCTION turbocat_run_sql(text, jsonb, int4, int8) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION turbocat_run_sql(text, jsonb, int4, int8) TO %I', installer);
    RESET ROLE;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'agents that query tables are not set up: %', SQLERRM;
END
$setup$;
