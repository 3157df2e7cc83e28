-- Hands back what worker $1 owns besides the executions $2: claimed by a statement whose answer was lost.
WITH unknown AS MATERIALIZED (
    SELECT id FROM executions WHERE worker_id = $1 AND id <> ALL ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
UPDATE executions SET
    worker_id = NULL,
    wake_at = LEAST(executions.wake_at, LOCALTIMESTAMP),
    updated_at = LOCALTIMESTAMP
FROM unknown WHERE executions.id = unknown.id
