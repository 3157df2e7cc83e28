-- The schedules that are due, the longest first, up to $1; of $2 slices the one of number $3. With them the time, and
-- when the next one is that is not due yet: also if none is due, there is a row. Whether the last execution runs is
-- read by its key alone.
SELECT clock.now, (SELECT min(due_at) FROM schedules WHERE due_at > clock.now) AS next_due_at, due.*
FROM (SELECT LOCALTIMESTAMP AS now) AS clock
LEFT JOIN (
    SELECT workflow_id, user_id, config, steps_total, timeout_ms, next_at, queued_for, due_at,
           COALESCE((
               SELECT executions.status IN ('pending', 'running') FROM executions
               WHERE executions.id = schedules.last_execution_id
           ), false) AS is_busy
    FROM schedules
    WHERE due_at <= LOCALTIMESTAMP AND ($2::int4 = 1 OR (uuid_hash(workflow_id) & 2147483647) % $2::int4 = $3::int4)
    ORDER BY due_at
    LIMIT $1
) AS due ON true
ORDER BY due.due_at
