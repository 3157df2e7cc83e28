-- Makes a token of user $2 for purpose $3 that can be used for $6 microseconds from now on, unless $7 can be used
-- already: who asks again and again fills nobody's mailbox.
INSERT INTO user_tokens (id, user_id, purpose, token_hash, email, created_at, expires_at)
SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text, LOCALTIMESTAMP,
       LOCALTIMESTAMP + $6::int8 * INTERVAL '1 microsecond'
WHERE (
    SELECT count(*) FROM user_tokens
    WHERE user_id = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > LOCALTIMESTAMP
) < $7::int8
