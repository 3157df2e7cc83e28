-- Pauses execution $1, for the reason $2; what is paused keeps its time and its reason. An owner is told by mail. What
-- nobody owns would be claimed for nothing, so its time to wake is its deadline, unless it is to be cancelled.
WITH requested AS (
    UPDATE executions SET
        paused_at = COALESCE(paused_at, LOCALTIMESTAMP),
        pause_reason = CASE WHEN paused_at IS NULL THEN $2 ELSE pause_reason END,
        wake_at = CASE
            WHEN worker_id IS NULL AND cancel_requested_at IS NULL THEN COALESCE(deadline_at, wake_at)
            ELSE LEAST(wake_at, LOCALTIMESTAMP)
        END,
        updated_at = LOCALTIMESTAMP
    WHERE id = $1 AND status IN ('pending', 'running')
    RETURNING id
)
SELECT EXISTS (SELECT FROM requested) AS is_requested, EXISTS (SELECT FROM executions WHERE id = $1) AS is_known
