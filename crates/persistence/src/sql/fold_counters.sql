-- Folds up to $1 facts into the metrics. A fact is deleted and counted in one transaction: once, whoever folds and
-- whatever crashes. Two who fold skip one another's facts, and take the rows of workflows, agents and deployments in the
-- order of their ids. Counters stop at what their columns hold; the average is that of the exact sums, to the nearest.
-- `updated_at` is not touched: a metric is not a change that an editor must see.
-- A deployment that is stopping has stopped when the last of its executions has ended, which is a fact here: that it was
-- the last is looked at behind the lock of its row, which who stops it holds too. That is a change that is to be seen.
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
locked_deployments AS MATERIALIZED (
    SELECT deployments.id,
           CASE WHEN deployments.status = 'stopping' THEN NOT EXISTS (
               SELECT FROM executions
               WHERE executions.trigger_data -> 'deployment' IS NOT NULL
                 AND executions.trigger_data -> 'deployment' ->> 'id' = deployments.id::text
                 AND executions.status IN ('pending', 'running')
           ) ELSE false END AS has_stopped
    FROM deployments JOIN sums ON sums.kind = 'deployment' AND sums.target_id = deployments.id
    WHERE (SELECT count(*) FROM locked_agents) >= 0
    ORDER BY deployments.id
    FOR NO KEY UPDATE OF deployments
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
),
folded_deployments AS (
    UPDATE deployments SET
        total_requests = LEAST(deployments.total_requests + sums.total, 2147483647),
        total_errors = LEAST(deployments.total_errors + sums.failed, 2147483647),
        total_response_time_ms = deployments.total_response_time_ms + sums.duration_ms,
        avg_response_time_ms = LEAST(COALESCE(round(
            (deployments.total_response_time_ms + sums.duration_ms)
            / NULLIF(deployments.total_requests + sums.total, 0)
        ), 0), 2147483647),
        status = CASE WHEN locked_deployments.has_stopped THEN 'stopped' ELSE deployments.status END,
        updated_at = CASE WHEN locked_deployments.has_stopped THEN LOCALTIMESTAMP ELSE deployments.updated_at END
    FROM locked_deployments JOIN sums ON sums.kind = 'deployment' AND sums.target_id = locked_deployments.id
    WHERE deployments.id = locked_deployments.id
)
SELECT COALESCE(sum(total), 0)::int8 AS facts, count(*) AS rows FROM gone
