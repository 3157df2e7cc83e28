-- Copies the parked execution $1 with its journal, as numbers $2 to $3 (exclusive). Each copy wakes a little later than
-- the one before; ids are UUIDs of version 7 of the time at which the original was accepted, so that they are in order.
WITH copies AS MATERIALIZED (
    SELECT number, (lpad(to_hex(floor(EXTRACT(EPOCH FROM created_at) * 1000)::int8), 12, '0') || '7'
                   || lpad(to_hex(number >> 48), 3, '0') || '8' || lpad(to_hex(number), 15, '0'))::uuid AS id
    FROM executions, generate_series($2::int8, $3::int8 - 1) AS number
    WHERE executions.id = $1
),
recorded AS (
    INSERT INTO step_runs (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id
    )
    SELECT copies.id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
           agent_id
    FROM copies, step_runs WHERE step_runs.execution_id = $1
)
INSERT INTO executions (
    id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, steps_total, steps_completed, deadline_at,
    depth, wake_at, started_at, created_at, updated_at
)
SELECT copies.id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, steps_total, steps_completed,
       deadline_at, depth, wake_at + copies.number * INTERVAL '1 millisecond', started_at, created_at, updated_at
FROM copies, executions WHERE executions.id = $1
