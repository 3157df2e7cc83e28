-- Does what worker $1 decided about schedules: one round trip, one transaction, all of it or nothing.
--
-- `fence` is empty when the worker is marked dead, and everything hangs on it; FOR KEY SHARE makes a takeover wait.
-- What was decided holds for the schedule as it was read: `ours` are those that still stand so. One that somebody else
-- is changing is skipped, not waited for: it is due again at the next look.
-- `running` are the executions that ticks begin to wait for ($10), locked so that none ends unseen between this look at
-- it and the commit: its end would not find the tick that waits. They are locked before the schedules, as the end of an
-- execution does, which locks the schedules that wait for it.
-- A firing comes as a row, with its ticks as JSON: the update hands both on, so that nothing is joined again, and no
-- plan is made that compares each row with each. Whether a tick was recorded before is read by its key alone.
-- Ticks that nobody asks about any more go with each firing of their schedule.
-- Year 1 and nil uuids are NULL: array parameters cannot hold one.
WITH fence AS MATERIALIZED (
    SELECT id FROM workers WHERE id = $1 AND dead_at IS NULL FOR KEY SHARE
),
running AS MATERIALIZED (
    SELECT executions.id FROM executions
    WHERE executions.status IN ('pending', 'running') AND executions.id IN (
        SELECT last_execution_id FROM schedules WHERE workflow_id = ANY ($10::uuid[])
    )
    ORDER BY executions.id
    FOR SHARE OF executions
),
batch AS MATERIALIZED (
    SELECT workflow_id, NULLIF(old_next_at, '0001-01-01') AS old_next_at,
           NULLIF(old_queued_for, '0001-01-01') AS old_queued_for, NULLIF(next_at, '0001-01-01') AS next_at,
           NULLIF(queued_for, '0001-01-01') AS queued_for, jitter_ms,
           NULLIF(execution_id, '00000000-0000-0000-0000-000000000000') AS execution_id, ticks::jsonb AS ticks
    FROM UNNEST(
        $2::uuid[], $3::timestamp[], $4::timestamp[], $5::timestamp[], $6::timestamp[], $7::int4[], $8::uuid[],
        $9::text[]
    ) AS batch (
        workflow_id, old_next_at, old_queued_for, next_at, queued_for, jitter_ms, execution_id, ticks
    )
    WHERE EXISTS (SELECT FROM fence) AND (SELECT count(*) FROM running) >= 0
),
ours AS MATERIALIZED (
    SELECT batch.* FROM batch JOIN schedules ON schedules.workflow_id = batch.workflow_id
    WHERE schedules.ended_at IS NULL
      AND schedules.next_at IS NOT DISTINCT FROM batch.old_next_at
      AND schedules.queued_for IS NOT DISTINCT FROM batch.old_queued_for
    FOR NO KEY UPDATE OF schedules SKIP LOCKED
),
moved AS (
    UPDATE schedules SET
        next_at = ours.next_at,
        jitter_ms = ours.jitter_ms,
        queued_for = ours.queued_for,
        last_execution_id = COALESCE(ours.execution_id, schedules.last_execution_id),
        released_at = CASE
            WHEN ours.queued_for IS NOT NULL AND ours.execution_id IS NULL
                AND schedules.last_execution_id NOT IN (SELECT id FROM running)
            THEN LOCALTIMESTAMP
        END
    FROM ours WHERE schedules.workflow_id = ours.workflow_id
    RETURNING schedules.workflow_id, schedules.user_id, schedules.steps_total, schedules.timeout_ms, ours.ticks
),
fresh AS MATERIALIZED (
    SELECT moved.workflow_id, moved.user_id, moved.steps_total, moved.timeout_ms, tick.*
    FROM moved, LATERAL jsonb_to_recordset(moved.ticks) AS tick (
        scheduled_for timestamp, verdict text, execution_id uuid, trigger_data jsonb, is_owned boolean
    )
    WHERE (
        SELECT count(*) FROM schedule_ticks
        WHERE schedule_ticks.workflow_id = moved.workflow_id AND schedule_ticks.scheduled_for = tick.scheduled_for
    ) = 0
),
recorded AS (
    INSERT INTO schedule_ticks (workflow_id, scheduled_for, verdict, execution_id, decided_at)
    SELECT workflow_id, scheduled_for, verdict, execution_id, LOCALTIMESTAMP FROM fresh
),
inserted AS (
    INSERT INTO executions (
        id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, steps_total, deadline_at, worker_id,
        wake_at, started_at, created_at, updated_at
    )
    SELECT execution_id, workflow_id, user_id, CASE WHEN is_owned THEN 'running' ELSE 'pending' END, 'scheduled',
           trigger_data, '{}', steps_total, LOCALTIMESTAMP + timeout_ms * INTERVAL '1 millisecond',
           CASE WHEN is_owned THEN $1 END, CASE WHEN NOT is_owned THEN LOCALTIMESTAMP END,
           CASE WHEN is_owned THEN LOCALTIMESTAMP END, LOCALTIMESTAMP, LOCALTIMESTAMP
    FROM fresh WHERE execution_id IS NOT NULL
    RETURNING id
),
swept AS (
    DELETE FROM schedule_ticks USING moved
    WHERE schedule_ticks.workflow_id = moved.workflow_id
      AND schedule_ticks.scheduled_for < LOCALTIMESTAMP - INTERVAL '7 days'
)
SELECT LOCALTIMESTAMP AS fired_at, EXISTS (SELECT FROM fence) AS is_alive,
       (SELECT count(*) FROM moved) AS schedules, ARRAY(SELECT id FROM inserted) AS executions
