-- When the next execution that nobody owns becomes due: the head of the index of claimable ones.
SELECT min(wake_at) AS wake_at FROM executions WHERE worker_id IS NULL AND wake_at IS NOT NULL
