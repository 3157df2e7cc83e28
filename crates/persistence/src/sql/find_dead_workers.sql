-- Workers other than $1 whose lease has run out, or whose session is gone: then its lock can be had. The lock is
-- one of this transaction, and free again with its end; CASE keeps it from being tried where the lease decides.
SELECT id FROM workers
WHERE dead_at IS NULL AND id <> $1
  AND CASE WHEN lease_until < LOCALTIMESTAMP THEN true ELSE pg_try_advisory_xact_lock(lock_key) END
