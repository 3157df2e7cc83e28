-- The journals of the executions $1, each in the order of its run.
SELECT execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
       agent_id
FROM step_runs WHERE execution_id = ANY ($1::uuid[])
ORDER BY execution_id, seq
