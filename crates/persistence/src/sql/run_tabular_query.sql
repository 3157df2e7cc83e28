-- The rows of the query $1 over the tables $2: at most $3 of them, at most $4 bytes.
SELECT line FROM turbocat_run_sql($1, $2::jsonb, $3, $4) AS answer (line)
