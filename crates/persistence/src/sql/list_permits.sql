-- What each worker has of the permits of agent $2, the asking one ($1) among them with a row in any case; the limit is
-- NULL if there is none. Nothing if the asking worker is marked dead. What dead workers held counts for nothing.
SELECT workers.id AS worker_id, COALESCE(permits.granted, 0) AS granted, COALESCE(permits.wanted, 0) AS wanted,
       permits.waiting_since, agents.max_concurrent_executions AS "limit", LOCALTIMESTAMP AS now
FROM agents, workers LEFT JOIN agent_permits AS permits ON permits.worker_id = workers.id AND permits.agent_id = $2
WHERE agents.id = $2 AND workers.dead_at IS NULL AND (workers.id = $1 OR permits.worker_id IS NOT NULL)
  AND EXISTS (SELECT FROM workers WHERE id = $1 AND dead_at IS NULL)
