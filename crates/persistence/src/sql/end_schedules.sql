-- Ends the schedules of the workflows $1. Who begins one for a version that follows in the same transaction knows by
-- the time that it takes over what stands here; the rows stay locked until then.
UPDATE schedules SET ended_at = LOCALTIMESTAMP WHERE workflow_id = ANY ($1::uuid[]) AND ended_at IS NULL
