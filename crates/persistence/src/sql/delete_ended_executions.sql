-- Deletes those of the executions $1 that have ended. Logs and waits go with them by their foreign keys; journals and
-- the parts of steps have none, nor have the details of usage and the budgets of executions.
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
),
turns AS (
    DELETE FROM model_usage USING gone WHERE model_usage.execution_id = gone.id
),
sums AS (
    DELETE FROM usage_executions USING gone WHERE usage_executions.execution_id = gone.id
),
reservations AS (
    DELETE FROM budget_reservations USING gone WHERE budget_reservations.execution_id = gone.id
),
limits AS (
    DELETE FROM budgets USING gone WHERE budgets.scope = 'execution' AND budgets.subject = gone.id::text
)
SELECT count(*) AS count FROM gone
