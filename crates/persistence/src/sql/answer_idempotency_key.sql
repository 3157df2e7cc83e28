-- Keeps the answer of a request.
UPDATE idempotency_keys SET answer = $3::jsonb WHERE user_id = $1 AND key = $2
