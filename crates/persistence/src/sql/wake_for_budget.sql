-- Wakes the executions that wait for budget $1, which is locked: a statement of its own sees those that have come to
-- wait while the lock was waited for. Executions are locked in the order of ids, as everywhere.
WITH waiting AS MATERIALIZED (
    SELECT id FROM executions
    WHERE status IN ('pending', 'running') AND id IN (SELECT execution_id FROM budget_waits WHERE budget_id = $1)
    ORDER BY id
    FOR NO KEY UPDATE OF executions
)
UPDATE executions SET wake_at = LEAST(executions.wake_at, LOCALTIMESTAMP)
FROM waiting WHERE executions.id = waiting.id
