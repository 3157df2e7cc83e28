-- Gives up to $2 executions that nobody owns and whose time has come to worker $1, the longest due first, unless it
-- is marked dead: its row is locked against a takeover until the commit.
-- The CTE is MATERIALIZED so that the planner cannot run the LIMIT again for each joined row.
WITH fence AS MATERIALIZED (
    SELECT id FROM workers WHERE id = $1 AND dead_at IS NULL FOR KEY SHARE
),
due AS MATERIALIZED (
    SELECT id, status, wake_at FROM executions
    WHERE worker_id IS NULL AND wake_at <= LOCALTIMESTAMP AND EXISTS (SELECT FROM fence)
    ORDER BY wake_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE executions SET
    status = 'running',
    worker_id = $1,
    wake_at = NULL,
    started_at = COALESCE(executions.started_at, LOCALTIMESTAMP),
    updated_at = LOCALTIMESTAMP
FROM due WHERE executions.id = due.id
RETURNING executions.id, executions.workflow_id, executions.user_id, executions.trigger_type,
          executions.trigger_data, executions.input_data, executions.started_at, executions.deadline_at,
          executions.cancel_requested_at, executions.paused_at IS NOT NULL AS is_paused, executions.takeovers, executions.depth, executions.parent_execution_id,
          executions.parent_path, due.wake_at AS due_at, due.status = 'running' AS has_run,
          executions.updated_at AS claimed_at
