-- What stands of executions that are inserted again: by their ids $1, and by the parents $2 and paths $3 of children.
SELECT id, workflow_id, user_id, worker_id, parent_execution_id, parent_path, created_at
FROM executions WHERE id = ANY ($1::uuid[])
UNION
SELECT id, workflow_id, user_id, worker_id, parent_execution_id, parent_path, created_at
FROM executions WHERE (parent_execution_id, parent_path) IN (SELECT * FROM UNNEST($2::uuid[], $3::text[]))
