-- When the next execution that nobody owns becomes due, and when the next schedule does: the heads of two indexes.
SELECT (SELECT min(wake_at) FROM executions WHERE worker_id IS NULL AND wake_at IS NOT NULL) AS wake_at,
       (SELECT min(due_at) FROM schedules WHERE due_at IS NOT NULL) AS schedule_due_at
