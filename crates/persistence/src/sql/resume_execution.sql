-- Undoes the pause of execution $1, if it is paused, and wakes who goes on: its owner by mail, or whoever claims it next.
WITH resumed AS (
    UPDATE executions SET
        paused_at = NULL,
        pause_reason = NULL,
        wake_at = LEAST(wake_at, LOCALTIMESTAMP),
        updated_at = LOCALTIMESTAMP
    WHERE id = $1 AND status IN ('pending', 'running') AND paused_at IS NOT NULL
)
SELECT EXISTS (
           SELECT FROM executions WHERE id = $1 AND status IN ('pending', 'running')
       ) AS is_requested,
       EXISTS (SELECT FROM executions WHERE id = $1) AS is_known
