-- A batch of the limit: executions $1 are accepted, and those that were accepted before ($2) get all their steps, the
-- lines of their logs, and their end. One statement, one round trip, one commit.
-- It writes what the engine writes, row by row and column by column: born running with an owner, one record and one
-- line a step, one update at the end, and the two facts for the metrics.
WITH accepted AS (
    INSERT INTO executions (
        id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, steps_total, deadline_at, depth,
        worker_id, started_at, created_at, updated_at
    )
    SELECT id, $11, $12, 'running', 'api', '{}', '{}', $14, LOCALTIMESTAMP + INTERVAL '1 day', 0, $13, LOCALTIMESTAMP,
           LOCALTIMESTAMP, LOCALTIMESTAMP
    FROM UNNEST($1::uuid[]) AS batch (id)
),
recorded AS (
    INSERT INTO step_runs (
        execution_id, path, attempt, seq, status, output, started_at, ended_at, workflow_step_id, agent_id
    )
    SELECT execution_id, path, 1, seq, 'completed', output::jsonb, at, at, workflow_step_id, $10
    FROM UNNEST($3::uuid[], $4::text[], $5::int4[], $6::text[], $7::timestamp[], $8::uuid[])
        AS batch (execution_id, path, seq, output, at, workflow_step_id)
),
logged AS (
    INSERT INTO execution_logs (
        id, execution_id, workflow_step_id, level, message, metadata, step_key, step_status, step_started_at,
        step_completed_at, step_duration_ms, created_at
    )
    SELECT id, execution_id, workflow_step_id, 'info', 'step `' || path || '` completed in 0 ms', '{}', path,
           'completed', at, at, 0, at
    FROM UNNEST($9::uuid[], $3::uuid[], $4::text[], $7::timestamp[], $8::uuid[])
        AS batch (id, execution_id, path, at, workflow_step_id)
),
ended AS (
    UPDATE executions SET
        status = 'completed', output_data = '{}', steps_completed = $14, completed_at = LOCALTIMESTAMP, duration_ms = 0,
        updated_at = LOCALTIMESTAMP, worker_id = NULL, wake_at = NULL
    FROM UNNEST($2::uuid[]) AS batch (id)
    WHERE executions.id = batch.id
)
INSERT INTO counter_deltas (kind, target_id, total, succeeded, failed, duration_ms, last_at)
VALUES ('workflow', $11, cardinality($2), cardinality($2), 0, 0, LOCALTIMESTAMP),
       ('agent', $10, cardinality($3), cardinality($3), 0, 0, LOCALTIMESTAMP)
