-- The token with hash $2, if it is for purpose $1 and can be used now.
SELECT id, user_id, purpose, email, expires_at FROM user_tokens
WHERE token_hash = $2 AND purpose = $1 AND used_at IS NULL AND expires_at > LOCALTIMESTAMP
