-- Inserts executions: born running and owned by worker $1 if it is alive, else pending and claimable. The owner's
-- row is locked against a takeover until the commit, or the executions would belong to a dead worker for ever.
-- None may stand already: whoever inserts them again reads first which do, and an insert that nothing was lost of
-- reads nothing. The deadline counts from here, however long nobody claims it.
-- A child whose parent has ended is left out: it comes from a worker that was fenced since, and nobody would end it.
-- What is inserted with one is nobody's, as when a part of a batch stands already.
-- The parent's row is locked, so that an end under way is waited for.
-- A nil uuid is NULL: array parameters cannot hold one.
WITH parents AS MATERIALIZED (
    SELECT id, status FROM executions WHERE id = ANY ($10::uuid[]) ORDER BY id FOR SHARE
),
owner AS MATERIALIZED (
    SELECT id FROM workers
    WHERE id = $1 AND dead_at IS NULL
      AND NOT EXISTS (SELECT FROM parents WHERE status NOT IN ('pending', 'running'))
    FOR KEY SHARE
),
inserted AS (
    INSERT INTO executions (
        id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, steps_total, deadline_at,
        parent_execution_id, parent_path, depth, worker_id, wake_at, started_at, created_at, updated_at
    )
    SELECT batch.id, batch.workflow_id, batch.user_id,
           CASE WHEN owner.id IS NULL THEN 'pending' ELSE 'running' END,
           batch.trigger_type, batch.trigger_data::jsonb, batch.input_data::jsonb, batch.steps_total,
           LOCALTIMESTAMP + batch.timeout_ms * INTERVAL '1 millisecond',
           NULLIF(batch.parent_id, '00000000-0000-0000-0000-000000000000'),
           CASE WHEN batch.parent_id <> '00000000-0000-0000-0000-000000000000' THEN batch.parent_path END,
           batch.depth, owner.id,
           CASE WHEN owner.id IS NULL THEN LOCALTIMESTAMP END,
           CASE WHEN owner.id IS NOT NULL THEN LOCALTIMESTAMP END,
           LOCALTIMESTAMP, LOCALTIMESTAMP
    FROM UNNEST(
        $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::int4[], $9::int8[], $10::uuid[],
        $11::text[], $12::int4[]
    ) AS batch (
        id, workflow_id, user_id, trigger_type, trigger_data, input_data, steps_total, timeout_ms, parent_id,
        parent_path, depth
    )
    LEFT JOIN owner ON true
    WHERE NOT EXISTS (
        SELECT FROM parents WHERE parents.id = batch.parent_id AND parents.status NOT IN ('pending', 'running')
    )
)
SELECT LOCALTIMESTAMP AS inserted_at, EXISTS (SELECT FROM owner) AS is_owned
