-- Events of name $1 since $2: those for all, and those for step $4 of execution $3 alone.
SELECT id, payload, received_at FROM events
WHERE name = $1 AND received_at >= $2 AND (execution_id IS NULL OR (execution_id = $3 AND path = $4))
ORDER BY received_at, id
