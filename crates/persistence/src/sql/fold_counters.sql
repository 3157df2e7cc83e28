-- Folds up to $1 facts into the metrics. A fact is deleted and counted in one transaction: once, whoever folds and
-- whatever crashes. Two who fold skip one another's facts, and take the rows of workflows and agents in the order of
-- their ids. Counters stop at what their columns hold; the average is that of the exact sums, to the nearest.
-- `updated_at` is not touched: a metric is not a change that an editor must see.
WITH gone AS MATERIALIZED (
    DELETE FROM counter_deltas WHERE id IN (
        SELECT id FROM counter_deltas ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING kind, target_id, total, succeeded, failed, duration_ms, last_at
),
sums AS MATERIALIZED (
    SELECT kind, target_id, sum(total) AS total, sum(succeeded) AS succeeded, sum(failed) AS failed,
           sum(duration_ms) AS duration_ms, max(last_at) AS last_at
    FROM gone GROUP BY kind, target_id
),
locked_workflows AS MATERIALIZED (
    SELECT workflows.id FROM workflows JOIN sums ON sums.kind = 'workflow' AND sums.target_id = workflows.id
    ORDER BY workflows.id
    FOR NO KEY UPDATE OF workflows
),
locked_agents AS MATERIALIZED (
    SELECT agents.id FROM agents JOIN sums ON sums.kind = 'agent' AND sums.target_id = agents.id
    WHERE (SELECT count(*) FROM locked_workflows) >= 0
    ORDER BY agents.id
    FOR NO KEY UPDATE OF agents
),
folded_workflows AS (
    UPDATE workflows SET
        total_executions = LEAST(workflows.total_executions + sums.total, 2147483647),
        successful_executions = LEAST(workflows.successful_executions + sums.succeeded, 2147483647),
        failed_executions = LEAST(workflows.failed_executions + sums.failed, 2147483647),
        total_execution_time_ms = workflows.total_execution_time_ms + sums.duration_ms,
        avg_execution_time_ms = LEAST(COALESCE(round(
            (workflows.total_execution_time_ms + sums.duration_ms)
            / NULLIF(workflows.total_executions + sums.total, 0)
        ), 0), 2147483647),
        last_execution_at = GREATEST(workflows.last_execution_at, sums.last_at)
    FROM locked_workflows JOIN sums ON sums.kind = 'workflow' AND sums.target_id = locked_workflows.id
    WHERE workflows.id = locked_workflows.id
),
folded_agents AS (
    UPDATE agents SET
        total_executions = LEAST(agents.total_executions + sums.total, 2147483647),
        successful_executions = LEAST(agents.successful_executions + sums.succeeded, 2147483647),
        failed_executions = LEAST(agents.failed_executions + sums.failed, 2147483647),
        total_execution_time_ms = agents.total_execution_time_ms + sums.duration_ms,
        avg_execution_time_ms = LEAST(COALESCE(round(
            (agents.total_execution_time_ms + sums.duration_ms)
            / NULLIF(agents.total_executions + sums.total, 0)
        ), 0), 2147483647)
    FROM locked_agents JOIN sums ON sums.kind = 'agent' AND sums.target_id = locked_agents.id
    WHERE agents.id = locked_agents.id
)
SELECT COALESCE(sum(total), 0)::int8 AS facts, count(*) AS rows FROM gone
