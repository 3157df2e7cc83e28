-- The ended children of the executions $1, but for those that go their own way.
SELECT id, parent_execution_id, parent_path, status, output_data, error_code, error_message
FROM executions
WHERE parent_execution_id = ANY ($1::uuid[]) AND status IN ('completed', 'failed', 'cancelled', 'timeout')
  AND NOT COALESCE((trigger_data->>'detached')::boolean, false)
ORDER BY parent_execution_id, parent_path
