-- Registers worker $1 ($2 its name) for $4 milliseconds. The session lock $3 is taken before the row can be seen by
-- others: who finds the row finds the lock held.
WITH session AS MATERIALIZED (
    SELECT pg_try_advisory_lock($3) AS is_locked
)
INSERT INTO workers (id, name, lock_key, started_at, lease_until)
SELECT $1, $2, $3, LOCALTIMESTAMP, LOCALTIMESTAMP + $4::int8 * INTERVAL '1 millisecond'
FROM session
RETURNING started_at AS granted_at
