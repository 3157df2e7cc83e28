-- What became of the last $2 ticks of workflow $1, the newest first.
SELECT scheduled_for, verdict, execution_id, decided_at FROM schedule_ticks
WHERE workflow_id = $1
ORDER BY scheduled_for DESC
LIMIT $2
