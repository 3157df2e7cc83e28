-- Records a part of the step $3 of execution $2 for worker $1: its key $4, its kind $5, its data $6.
--
-- The fence is that of the journal: empty when the worker is marked dead, and everything hangs on it. It waits for a
-- takeover that is under way, and a takeover waits for it. The execution is locked against being deleted, no more.
-- What stands under the key stays, and is returned. A row that another session commits while this one runs is not seen
-- by either branch: then there is no data, and the statement is made again.
WITH fence AS MATERIALIZED (
    SELECT id FROM workers WHERE id = $1 AND dead_at IS NULL FOR KEY SHARE
),
gate AS MATERIALIZED (
    SELECT executions.id FROM fence, executions
    WHERE executions.id = $2 AND executions.worker_id IS NOT DISTINCT FROM fence.id
    FOR KEY SHARE OF executions
),
recorded AS (
    INSERT INTO step_parts (execution_id, path, key, kind, data, recorded_at)
    SELECT gate.id, $3::text, $4::text, $5::text, $6::text::jsonb, LOCALTIMESTAMP FROM gate
    ON CONFLICT (execution_id, path, key) DO NOTHING
    RETURNING data
)
SELECT EXISTS (SELECT FROM fence) AS is_alive, EXISTS (SELECT FROM gate) AS is_owned, COALESCE(
           (SELECT data FROM recorded),
           (SELECT data FROM step_parts WHERE execution_id = $2 AND path = $3 AND key = $4)
       ) AS data
