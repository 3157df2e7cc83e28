-- Deletes what can mean nothing any more: sessions a month after they expired, requests that may not be sent again, tokens
-- of mails a day after they expired, and rates whose permits all lie ready. A minute is left to those who are about to use them.
WITH old_sessions AS (
    DELETE FROM sessions WHERE expires_at < LOCALTIMESTAMP - INTERVAL '30 days' RETURNING 1
),
old_keys AS (
    DELETE FROM idempotency_keys WHERE created_at < LOCALTIMESTAMP - INTERVAL '25 hours' RETURNING 1
),
old_tokens AS (
    DELETE FROM user_tokens WHERE expires_at < LOCALTIMESTAMP - INTERVAL '1 day' RETURNING 1
),
old_rates AS (
    DELETE FROM rate_limits WHERE spent_until < LOCALTIMESTAMP - INTERVAL '1 minute' RETURNING 1
)
SELECT (SELECT count(*) FROM old_sessions) + (SELECT count(*) FROM old_keys) + (SELECT count(*) FROM old_rates)
    + (SELECT count(*) FROM old_tokens) AS count
