-- Stores event $1 of name $2, and wakes those that wait for the name, or the one that it is meant for ($4), among the
-- executions of the user $6 who sent it. Its time is taken under the lock of the name, so that times have the order in
-- which events can be seen. The user is compared by IS NOT DISTINCT FROM, which no index serves: all that a user has is
-- no way to find a few rows.
WITH stored AS (
    INSERT INTO events (id, name, payload, execution_id, path, user_id, received_at)
    VALUES ($1, $2, $3::jsonb, $4, $5, $6, clock_timestamp())
),
waiting AS MATERIALIZED (
    SELECT id FROM executions
    WHERE status IN ('pending', 'running') AND user_id IS NOT DISTINCT FROM $6 AND id IN (
        SELECT execution_id FROM waits WHERE event_name = $2 AND $4::uuid IS NULL
        UNION ALL
        SELECT $4::uuid
    )
    ORDER BY id
    FOR NO KEY UPDATE OF executions
),
woken AS (
    UPDATE executions SET wake_at = LEAST(executions.wake_at, LOCALTIMESTAMP)
    FROM waiting WHERE executions.id = waiting.id
    RETURNING executions.id
)
SELECT count(*) AS count FROM woken
