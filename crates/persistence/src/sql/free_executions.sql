-- Marks the locked workers $1 dead and makes their executions claimable. With $2 it was a death: an execution that
-- recorded an end or a part since the last one begins to count anew, any other comes closer to being given up.
-- Rows of workers that have been dead for a day are swept: a worker without a row is fenced as well.
WITH dead AS (
    UPDATE workers SET dead_at = LOCALTIMESTAMP WHERE id = ANY ($1::uuid[]) RETURNING id
),
swept AS (
    DELETE FROM workers WHERE dead_at < LOCALTIMESTAMP - INTERVAL '1 day'
),
orphans AS MATERIALIZED (
    SELECT id, ((
        SELECT count(*) FROM step_runs
        WHERE step_runs.execution_id = executions.id AND step_runs.status <> 'running'
    ) + (
        SELECT count(*) FROM step_parts WHERE step_parts.execution_id = executions.id
    ))::int4 AS records
    FROM executions WHERE worker_id = ANY ($1::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE OF executions
),
freed AS (
    UPDATE executions SET
        worker_id = NULL,
        wake_at = LEAST(executions.wake_at, LOCALTIMESTAMP),
        updated_at = LOCALTIMESTAMP,
        takeovers = CASE
            WHEN NOT $2 THEN executions.takeovers
            WHEN orphans.records > executions.takeover_records THEN 1
            ELSE executions.takeovers + 1
        END,
        takeover_records = CASE WHEN $2 THEN orphans.records ELSE executions.takeover_records END
    FROM orphans WHERE executions.id = orphans.id
    RETURNING executions.id
)
SELECT (SELECT count(*) FROM dead) AS workers, (SELECT count(*) FROM freed) AS executions
