-- Uses the token with hash $2 for purpose $1, if it can be used now, and ends all others of its user and purpose. They
-- are locked in one order, so that two that are used at once do not wait for each other: the second one finds its own
-- ended when the first is done.
WITH standing AS (
    SELECT id FROM user_tokens
    WHERE user_id = (
        SELECT user_id FROM user_tokens
        WHERE token_hash = $2 AND purpose = $1 AND used_at IS NULL AND expires_at > LOCALTIMESTAMP
    ) AND purpose = $1 AND used_at IS NULL
    ORDER BY id
    FOR UPDATE
),
ended AS (
    UPDATE user_tokens SET used_at = LOCALTIMESTAMP FROM standing WHERE user_tokens.id = standing.id
    RETURNING user_tokens.*
)
SELECT id, user_id, purpose, email, expires_at FROM ended WHERE token_hash = $2
