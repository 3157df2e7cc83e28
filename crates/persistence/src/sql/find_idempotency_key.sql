-- What the first request with key $2 of user $1 left.
SELECT user_id, key, fingerprint, resource_id, answer, created_at FROM idempotency_keys WHERE user_id = $1 AND key = $2
