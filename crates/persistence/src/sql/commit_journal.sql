-- Commits what a worker learned: one round trip, one transaction, all of it or nothing.
--
-- Parameters stand in braces by their names. A section between `-- <x>` and `-- </x>` is part of the statement only if
-- the batch has rows for it: most batches have records alone, and each part costs time even without rows.
-- Records are first written in the hope that all is as it mostly is (`plain`): no record stands already, every execution
-- is the worker's, every step is there. If that is not so, a key or a reference is broken or `is_complete` is false,
-- nothing is written, and the statement is made again with the section that looks (`careful`).
--
-- `fence` is empty when the worker is marked dead, and everything hangs on it. It waits for a takeover that is under
-- way, and a takeover waits for it: FOR KEY SHARE conflicts with FOR UPDATE, and not with a renewal of the lease.
-- `gate` locks every execution that will be updated in the order of ids, before the first update: two workers whose
-- executions are parents of one another's would wait for each other otherwise.
-- The plan is generic and is made before the tables have their sizes, so nothing in it may depend on them: a table is
-- read by one row's key (a scalar subquery) or by an array of keys, never by a join that could turn into a scan, and
-- the connection that this runs on has sequential scans and nested loops switched off (`open_journal`). An owner is
-- compared by IS NOT DISTINCT FROM, which no index serves: all that a worker owns is no way to find one row.
-- What is read from `gate` and the arrays only is safe to be evaluated again when a row was changed meanwhile; no
-- update reads the result of another.
-- Nil uuids and empty texts are NULL: array parameters cannot hold one.
WITH fence AS MATERIALIZED (
    SELECT id FROM workers WHERE id = {worker} AND dead_at IS NULL FOR KEY SHARE
),
-- <touched>
touched AS MATERIALIZED (
    SELECT executions.id FROM fence, executions
    WHERE executions.id = ANY ({touched}::uuid[])
    ORDER BY executions.id
    FOR NO KEY UPDATE OF executions
),
-- </touched>
gate AS MATERIALIZED (
    SELECT id AS worker_id
-- <touched>
           , (SELECT count(*) FROM touched) AS touched
-- </touched>
    FROM fence
-- <plain>
    WHERE (
        SELECT count(*) FROM executions
        WHERE executions.id = ANY ({owned}::uuid[]) AND executions.worker_id IS NOT DISTINCT FROM fence.id
    ) = cardinality({owned}::uuid[])
-- </plain>
),

-- <plain>
recorded AS (
    INSERT INTO step_runs (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id
    )
    SELECT batch.execution_id, batch.path, batch.attempt, batch.seq, batch.status, NULLIF(batch.reason, ''),
           NULLIF(batch.output, '')::jsonb, NULLIF(batch.error, '')::jsonb, batch.started_at,
           CASE WHEN batch.status <> 'running' THEN batch.ended_at END,
           NULLIF(batch.workflow_step_id, '00000000-0000-0000-0000-000000000000'),
           NULLIF(batch.agent_id, '00000000-0000-0000-0000-000000000000')
    FROM gate, UNNEST(
        {records.execution_id}::uuid[], {records.path}::text[], {records.attempt}::int2[], {records.seq}::int4[],
        {records.status}::text[], {records.reason}::text[], {records.output}::text[], {records.error}::text[],
        {records.started_at}::timestamp[], {records.ended_at}::timestamp[], {records.workflow_step_id}::uuid[],
        {records.agent_id}::uuid[]
    ) AS batch (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id
    )
),
-- One line of the log an end. Rows go in in the order of their ids, which is that of time, so that the index of ids
-- grows at its end.
logged AS (
    INSERT INTO execution_logs (
        id, execution_id, workflow_step_id, level, message, metadata, step_key, step_status, step_started_at,
        step_completed_at, step_duration_ms, created_at
    )
    SELECT batch.id, batch.execution_id,
           NULLIF(batch.workflow_step_id, '00000000-0000-0000-0000-000000000000'),
           CASE batch.status WHEN 'failed' THEN 'error' ELSE 'info' END, batch.message, batch.metadata::jsonb,
           batch.step_key, batch.status, batch.started_at, batch.ended_at, batch.duration_ms, batch.ended_at
    FROM gate, UNNEST(
        {records.log_id}::uuid[], {records.execution_id}::uuid[], {records.workflow_step_id}::uuid[],
        {records.status}::text[], {records.log_message}::text[], {records.log_metadata}::text[],
        {records.step_key}::text[], {records.started_at}::timestamp[], {records.ended_at}::timestamp[],
        {records.duration_ms}::int4[]
    ) AS batch (
        id, execution_id, workflow_step_id, status, message, metadata, step_key, started_at, ended_at, duration_ms
    )
    WHERE batch.status <> 'running'
    ORDER BY batch.id
),
-- Facts for the metrics of agents, to be folded later: their rows are too hot to be updated here.
counted_agents AS (
    INSERT INTO counter_deltas (kind, target_id, total, succeeded, failed, duration_ms, last_at)
    SELECT 'agent', batch.* FROM gate, UNNEST(
        {agents.target_id}::uuid[], {agents.total}::int8[], {agents.succeeded}::int8[], {agents.failed}::int8[],
        {agents.duration_ms}::int8[], {agents.last_at}::timestamp[]
    ) AS batch (target_id, total, succeeded, failed, duration_ms, last_at)
),
-- </plain>

-- <careful>
-- The journal. A record that stands is left as it is, but one that was running gives way to its end: a batch that is
-- sent again is neither logged nor counted again.
-- Most records are new, and a plain INSERT of them writes a WAL record less each than one that could be in conflict.
-- If the same batch runs in another session (its connection was lost), one of both breaks a key, if not that of
-- records that of log lines, and is repeated.
incoming AS MATERIALIZED (
    SELECT batch.*, (
               SELECT step_runs.status FROM step_runs
               WHERE step_runs.execution_id = batch.execution_id AND step_runs.path = batch.path
                 AND step_runs.attempt = batch.attempt
           ) AS standing
    FROM gate, UNNEST(
        {records.execution_id}::uuid[], {records.path}::text[], {records.attempt}::int2[], {records.seq}::int4[],
        {records.status}::text[], {records.reason}::text[], {records.output}::text[], {records.error}::text[],
        {records.started_at}::timestamp[], {records.ended_at}::timestamp[], {records.workflow_step_id}::uuid[],
        {records.agent_id}::uuid[], {records.step_key}::text[], {records.duration_ms}::int4[],
        {records.log_id}::uuid[], {records.log_message}::text[], {records.log_metadata}::text[]
    ) AS batch (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id, step_key, duration_ms, log_id, log_message, log_metadata
    )
    WHERE (SELECT worker_id FROM executions WHERE executions.id = batch.execution_id) = gate.worker_id
),
recorded_first AS (
    INSERT INTO step_runs (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id
    )
    SELECT execution_id, path, attempt, seq, status, NULLIF(reason, ''), NULLIF(output, '')::jsonb,
           NULLIF(error, '')::jsonb, started_at, CASE WHEN status <> 'running' THEN ended_at END,
           NULLIF(workflow_step_id, '00000000-0000-0000-0000-000000000000'),
           NULLIF(agent_id, '00000000-0000-0000-0000-000000000000')
    FROM incoming WHERE standing IS NULL
),
-- An upsert, because it finds each row by the key whatever the plan is.
recorded_end AS (
    INSERT INTO step_runs (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id
    )
    SELECT execution_id, path, attempt, seq, status, NULLIF(reason, ''), NULLIF(output, '')::jsonb,
           NULLIF(error, '')::jsonb, started_at, ended_at,
           NULLIF(workflow_step_id, '00000000-0000-0000-0000-000000000000'),
           NULLIF(agent_id, '00000000-0000-0000-0000-000000000000')
    FROM incoming WHERE standing = 'running' AND status <> 'running'
    ON CONFLICT (execution_id, path, attempt) DO UPDATE SET
        seq = excluded.seq,
        status = excluded.status,
        reason = excluded.reason,
        output = excluded.output,
        error = excluded.error,
        started_at = excluded.started_at,
        ended_at = excluded.ended_at,
        workflow_step_id = excluded.workflow_step_id,
        agent_id = excluded.agent_id
    WHERE step_runs.status = 'running'
),

-- A step whose row is gone is forgotten.
logged AS (
    INSERT INTO execution_logs (
        id, execution_id, workflow_step_id, level, message, metadata, step_key, step_status, step_started_at,
        step_completed_at, step_duration_ms, created_at
    )
    SELECT log_id, execution_id, (SELECT id FROM workflow_steps WHERE workflow_steps.id = incoming.workflow_step_id),
           CASE status WHEN 'failed' THEN 'error' ELSE 'info' END, log_message, log_metadata::jsonb, step_key, status,
           started_at, ended_at, duration_ms, ended_at
    FROM incoming
    WHERE status <> 'running' AND (standing IS NULL OR standing = 'running')
    ORDER BY log_id
),

counted_agents AS (
    INSERT INTO counter_deltas (kind, target_id, total, succeeded, failed, duration_ms, last_at)
    SELECT 'agent', agent_id, count(*), count(*) FILTER (WHERE status = 'completed'),
           count(*) FILTER (WHERE status = 'failed'), sum(duration_ms), max(ended_at)
    FROM incoming
    WHERE agent_id <> '00000000-0000-0000-0000-000000000000' AND status IN ('completed', 'failed')
      AND (standing IS NULL OR standing = 'running')
    GROUP BY agent_id
),
-- </careful>

-- <finished>
-- Executions that ended: only those that the worker owns, and nobody owns what has ended.
ended AS (
    UPDATE executions SET
        status = batch.status,
        output_data = batch.output::jsonb,
        error_message = NULLIF(batch.error_message, ''),
        error_code = NULLIF(batch.error_code, ''),
        error_stack = NULLIF(batch.error_stack, ''),
        steps_completed = batch.steps_completed,
        steps_failed = batch.steps_failed,
        started_at = batch.started_at,
        completed_at = batch.completed_at,
        duration_ms = batch.duration_ms,
        updated_at = LOCALTIMESTAMP,
        worker_id = NULL,
        wake_at = NULL,
        paused_at = NULL,
        pause_reason = NULL
    FROM gate, UNNEST(
        {finished.id}::uuid[], {finished.status}::text[], {finished.output}::text[], {finished.error_message}::text[],
        {finished.error_code}::text[], {finished.error_stack}::text[], {finished.steps_completed}::int4[],
        {finished.steps_failed}::int4[], {finished.started_at}::timestamp[], {finished.completed_at}::timestamp[],
        {finished.duration_ms}::int4[]
    ) AS batch (
        id, status, output, error_message, error_code, error_stack, steps_completed, steps_failed, started_at,
        completed_at, duration_ms
    )
    WHERE executions.id = ANY ({finished.id}::uuid[]) AND executions.id = batch.id
      AND executions.worker_id IS NOT DISTINCT FROM gate.worker_id
    RETURNING executions.id, executions.workflow_id, executions.status, executions.duration_ms,
              executions.completed_at,
              (executions.trigger_data -> 'deployment' ->> 'id')::uuid AS deployment_id
),
-- What has ended waits for nothing.
forgotten AS (
    DELETE FROM waits WHERE execution_id = ANY ({finished.id}::uuid[]) AND execution_id IN (SELECT id FROM ended)
),
-- Facts for the metrics of workflows, and of the deployments that started executions.
counted_ends AS (
    INSERT INTO counter_deltas (kind, target_id, total, succeeded, failed, duration_ms, last_at)
    SELECT target.kind, target.id, count(*), count(*) FILTER (WHERE status = 'completed'),
           count(*) FILTER (WHERE status <> 'completed'), sum(duration_ms), max(completed_at)
    FROM ended
    CROSS JOIN LATERAL (
        VALUES ('workflow', ended.workflow_id), ('deployment', ended.deployment_id)
    ) AS target (kind, id)
    WHERE target.id IS NOT NULL
    GROUP BY target.kind, target.id
),
-- </finished>

-- <parked>
-- Executions that only wait are handed back. An ended child or an event that is there already makes that now, and so
-- does mail that came in meanwhile, which is an earlier `wake_at`.
parking AS MATERIALIZED (
    SELECT batch.id, LEAST(batch.wake_at, CASE
               WHEN batch.id = ANY ({parents}::uuid[]) OR EXISTS (
                   SELECT FROM UNNEST(
                       {waits.execution_id}::uuid[], {waits.path}::text[], {waits.event_name}::text[],
                       {waits.since}::timestamp[]
                   ) AS awaited (execution_id, path, event_name, since)
                   WHERE awaited.execution_id = batch.id AND (
                       SELECT true FROM events
                       WHERE events.name = awaited.event_name AND events.received_at >= awaited.since
                         AND events.user_id = (SELECT user_id FROM executions WHERE executions.id = batch.id)
                         AND (
                             events.execution_id IS NULL
                             OR (events.execution_id = awaited.execution_id AND events.path = awaited.path)
                         )
                       LIMIT 1
                   )
               ) THEN LOCALTIMESTAMP
           END) AS wake_at
    FROM gate, UNNEST({parked.id}::uuid[], {parked.wake_at}::timestamp[]) AS batch (id, wake_at)
),
parked AS (
    UPDATE executions SET
        worker_id = NULL,
        takeovers = 0,
        takeover_records = 0,
        wake_at = LEAST(executions.wake_at, parking.wake_at),
        updated_at = LOCALTIMESTAMP
    FROM gate, parking
    WHERE executions.id = ANY ({parked.id}::uuid[]) AND executions.id = parking.id
      AND executions.worker_id IS NOT DISTINCT FROM gate.worker_id
    RETURNING executions.id
),
-- What each parked execution waits for now, in place of what it waited for before.
waiting AS (
    INSERT INTO waits (execution_id, path, event_name, since)
    SELECT batch.execution_id, batch.path, batch.event_name, batch.since
    FROM parked
    JOIN UNNEST(
        {waits.execution_id}::uuid[], {waits.path}::text[], {waits.event_name}::text[], {waits.since}::timestamp[]
    ) AS batch (execution_id, path, event_name, since) ON batch.execution_id = parked.id
    ON CONFLICT (execution_id, path) DO UPDATE SET event_name = excluded.event_name, since = excluded.since
),
no_longer_waiting AS (
    DELETE FROM waits
    WHERE waits.execution_id = ANY ({parked.id}::uuid[]) AND waits.execution_id IN (SELECT id FROM parked)
      AND NOT EXISTS (
          SELECT FROM UNNEST({waits.execution_id}::uuid[], {waits.path}::text[]) AS batch (execution_id, path)
          WHERE batch.execution_id = waits.execution_id AND batch.path = waits.path
      )
),
-- </parked>

-- <parents>
-- Parents of children that ended, but those that end or park here: claimable at once, or told by mail. One that the
-- worker wrongly holds for its own neither ends nor parks.
woken AS (
    UPDATE executions SET wake_at = LEAST(executions.wake_at, LOCALTIMESTAMP)
    FROM gate
    WHERE executions.id = ANY ({parents}::uuid[]) AND executions.status IN ('pending', 'running')
      AND NOT (
          executions.id = ANY ({leaving}::uuid[]) AND executions.worker_id IS NOT DISTINCT FROM gate.worker_id
      )
),
-- </parents>

answer AS (
    SELECT EXISTS (SELECT FROM fence) AS is_alive, EXISTS (SELECT FROM gate) AS is_complete
)
SELECT is_alive, is_complete FROM answer
