-- Events of name $1 since $2 that the user of execution $3 sent: those for all, and those for its step $4 alone.
SELECT id, payload, received_at FROM events
WHERE name = $1 AND received_at >= $2
  AND user_id = (SELECT user_id FROM executions WHERE id = $3)
  AND (execution_id IS NULL OR (execution_id = $3 AND path = $4))
ORDER BY received_at, id
