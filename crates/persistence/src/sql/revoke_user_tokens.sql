-- Ends all tokens of user $1, in the order in which they are ended when one is used.
WITH standing AS (
    SELECT id FROM user_tokens WHERE user_id = $1 AND used_at IS NULL ORDER BY id FOR UPDATE
)
UPDATE user_tokens SET used_at = LOCALTIMESTAMP FROM standing WHERE user_tokens.id = standing.id
