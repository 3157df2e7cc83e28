-- Claims key $2 of user $1 for a request, or says what the first request with it left. Whoever claims it at the same
-- time is waited for here. A key older than $6 is forgotten: it is claimed anew.
INSERT INTO idempotency_keys AS standing (user_id, key, fingerprint, resource_id, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, resource_id = excluded.resource_id, created_at = excluded.created_at,
    answer = NULL
WHERE standing.created_at < $6
RETURNING user_id
