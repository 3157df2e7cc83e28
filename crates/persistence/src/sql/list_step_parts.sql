-- The parts of the step with path $2 of execution $1, in the order in which they were recorded.
SELECT key, kind, data FROM step_parts WHERE execution_id = $1 AND path = $2 ORDER BY seq
