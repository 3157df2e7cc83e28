-- Asks for execution $1 to be cancelled and wakes who must do it: its owner by mail, or whoever claims it next.
WITH requested AS (
    UPDATE executions SET
        cancel_requested_at = COALESCE(cancel_requested_at, LOCALTIMESTAMP),
        wake_at = LEAST(wake_at, LOCALTIMESTAMP),
        updated_at = LOCALTIMESTAMP
    WHERE id = $1 AND status IN ('pending', 'running')
    RETURNING id
)
SELECT EXISTS (SELECT FROM requested) AS is_requested, EXISTS (SELECT FROM executions WHERE id = $1) AS is_known
