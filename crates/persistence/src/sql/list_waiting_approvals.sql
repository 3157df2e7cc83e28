-- The approvals that executions wait for, of the user $1 or with one of the names $2 among their approvers, in the
-- execution $3 and at the path $4 if they are given; those of at most $7 executions, the newest first, behind the
-- execution ($5, $6). A wait that was decided may still stand in `waits` while its execution goes on: its record tells.
WITH waiting AS MATERIALIZED (
    SELECT execution.id, execution.created_at, execution.workflow_id, execution.user_id, waits.path, waits.since,
           step.config -> 'approval' AS rules
    FROM waits
    JOIN executions AS execution ON execution.id = waits.execution_id AND execution.status IN ('pending', 'running')
    JOIN workflow_steps AS step
        ON step.workflow_id = execution.workflow_id AND step.step_key = substring(waits.path FROM '[^.]*$')
    WHERE waits.event_name = 'approval'
      AND (execution.user_id = $1 OR jsonb_exists_any(step.config -> 'approval' -> 'approvers', $2::text[]))
      AND ($3::uuid IS NULL OR execution.id = $3) AND ($4::text IS NULL OR waits.path = $4)
      AND ($5::timestamp IS NULL OR (execution.created_at, execution.id) < ($5, $6::uuid))
      AND NOT EXISTS (
          SELECT FROM step_runs AS run
          WHERE run.execution_id = waits.execution_id AND run.path = waits.path AND run.status <> 'running'
      )
),
page AS (
    SELECT DISTINCT created_at, id FROM waiting ORDER BY created_at DESC, id DESC LIMIT $7
)
SELECT waiting.id, waiting.created_at, waiting.workflow_id, waiting.user_id, waiting.path, waiting.since, waiting.rules,
       workflows.name AS workflow_name,
       COALESCE((
           SELECT jsonb_agg(event.payload ORDER BY event.received_at, event.id) FROM events AS event
           WHERE event.user_id = waiting.user_id AND event.name = 'approval' AND event.received_at >= waiting.since
             AND event.execution_id = waiting.id AND event.path = waiting.path
       ), '[]') AS decisions
FROM page
JOIN waiting USING (created_at, id)
JOIN workflows ON workflows.id = waiting.workflow_id
ORDER BY waiting.created_at DESC, waiting.id DESC, waiting.path COLLATE "C"
