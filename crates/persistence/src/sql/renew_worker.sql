-- Renews the lease of worker $1 for $2 milliseconds, unless it is marked dead. Does not conflict with the fence of
-- its journal: that locks the key of the row only. A session that is new, because the one before was lost, takes
-- the worker's lock; session locks are counted, so one that holds it already does not take it again.
UPDATE workers SET lease_until = LOCALTIMESTAMP + $2::int8 * INTERVAL '1 millisecond'
WHERE id = $1 AND dead_at IS NULL
RETURNING LOCALTIMESTAMP AS granted_at,
          CASE
              WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) THEN true
              ELSE pg_try_advisory_lock(lock_key)
          END AS is_locked
