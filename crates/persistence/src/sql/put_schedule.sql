-- Begins the schedule of workflow $1, in place of the one of the version before, whose ticks it takes along. What waits
-- is looked at again: the rule for overlaps may be another.
WITH taken_along AS (
    UPDATE schedule_ticks SET workflow_id = $1
    FROM schedules
    WHERE schedules.user_id = $2 AND schedules.name = $3 AND schedules.workflow_id <> $1
      AND schedule_ticks.workflow_id = schedules.workflow_id
)
INSERT INTO schedules (
    workflow_id, user_id, name, config, steps_total, timeout_ms, next_at, jitter_ms, queued_for, released_at
)
VALUES (
    $1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9, CASE WHEN $9::timestamp IS NOT NULL THEN LOCALTIMESTAMP END
)
ON CONFLICT (user_id, name) DO UPDATE SET
    workflow_id = EXCLUDED.workflow_id,
    config = EXCLUDED.config,
    steps_total = EXCLUDED.steps_total,
    timeout_ms = EXCLUDED.timeout_ms,
    next_at = EXCLUDED.next_at,
    jitter_ms = EXCLUDED.jitter_ms,
    queued_for = EXCLUDED.queued_for,
    released_at = EXCLUDED.released_at,
    ended_at = NULL
