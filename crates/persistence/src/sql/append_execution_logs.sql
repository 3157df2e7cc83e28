-- Appends lines of logs. Those of an execution that is gone are dropped, a step that is gone is forgotten; a line
-- that stands already is the same line. Nil uuids, empty words and the epoch are NULL: array parameters cannot hold
-- one.
INSERT INTO execution_logs (
    id, execution_id, workflow_step_id, level, message, metadata, step_key, step_status, step_started_at,
    step_completed_at, step_duration_ms, created_at
)
SELECT batch.id, batch.execution_id, workflow_steps.id, batch.level, batch.message, batch.metadata::jsonb,
       NULLIF(batch.step_key, ''), NULLIF(batch.step_status, ''), NULLIF(batch.step_started_at, 'epoch'),
       NULLIF(batch.step_completed_at, 'epoch'), NULLIF(batch.step_duration_ms, -1), batch.created_at
FROM UNNEST(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamp[],
    $10::timestamp[], $11::int4[], $12::timestamp[]
) AS batch (
    id, execution_id, workflow_step_id, level, message, metadata, step_key, step_status, step_started_at,
    step_completed_at, step_duration_ms, created_at
)
JOIN executions ON executions.id = batch.execution_id
LEFT JOIN workflow_steps ON workflow_steps.id = batch.workflow_step_id
ON CONFLICT (id) DO NOTHING
