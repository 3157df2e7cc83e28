-- Deletes those of the executions $1 that have ended. Logs and waits go with them by their foreign keys; journals and
-- the parts of steps have none.
WITH gone AS (
    DELETE FROM executions
    WHERE id = ANY ($1::uuid[]) AND status IN ('completed', 'failed', 'cancelled', 'timeout')
    RETURNING id
),
journals AS (
    DELETE FROM step_runs USING gone WHERE step_runs.execution_id = gone.id
),
parts AS (
    DELETE FROM step_parts USING gone WHERE step_parts.execution_id = gone.id
)
SELECT count(*) AS count FROM gone
