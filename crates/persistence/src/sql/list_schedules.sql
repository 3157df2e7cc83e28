-- The schedules that have not ended, of the user $1 if one is given, at most $4, those of the newest versions first,
-- behind the version ($2, $3).
SELECT schedules.workflow_id, schedules.user_id, schedules.name, schedules.config, schedules.next_at,
       schedules.queued_for, schedules.due_at, schedules.last_execution_id, workflows.created_at
FROM schedules
JOIN workflows ON workflows.id = schedules.workflow_id
WHERE schedules.ended_at IS NULL AND ($1::uuid IS NULL OR schedules.user_id = $1)
  AND ($2::timestamp IS NULL OR (workflows.created_at, workflows.id) < ($2, $3::uuid))
ORDER BY workflows.created_at DESC, workflows.id DESC
LIMIT $4
