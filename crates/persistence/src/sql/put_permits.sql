-- Notes what worker $1 has of the permits of agent $2: $3 granted, $4 wanted, waiting since $5. Takes out the rows of
-- workers that are marked dead, and its own if it wants nothing.
WITH gone AS (
    DELETE FROM agent_permits AS permits
    WHERE permits.agent_id = $2 AND (
        (permits.worker_id = $1 AND $4 = 0)
        OR NOT EXISTS (SELECT FROM workers WHERE workers.id = permits.worker_id AND workers.dead_at IS NULL)
    )
)
INSERT INTO agent_permits (agent_id, worker_id, granted, wanted, waiting_since)
SELECT $2, $1, $3, $4, $5 WHERE $4 > 0
ON CONFLICT (agent_id, worker_id) DO UPDATE
  SET granted = excluded.granted, wanted = excluded.wanted, waiting_since = excluded.waiting_since
