-- Commits what worker $1 learned: one round trip, one transaction, all of it or nothing.
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
    SELECT id FROM workers WHERE id = $1 AND dead_at IS NULL FOR KEY SHARE
),
touched AS MATERIALIZED (
    SELECT executions.id FROM fence, executions
    WHERE executions.id = ANY ($14::uuid[] || $24::uuid[] || $30::uuid[])
    ORDER BY executions.id
    FOR NO KEY UPDATE OF executions
),
gate AS MATERIALIZED (
    SELECT id AS worker_id, (SELECT count(*) FROM touched) AS touched FROM fence
),

-- The journal. A record that stands is left as it is, but one that was running gives way to its end; RETURNING
-- has only what this statement wrote, so that a batch that is sent again is neither logged nor counted again.
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
        $2::uuid[], $3::text[], $4::int2[], $5::int4[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::timestamp[], $11::timestamp[], $12::uuid[], $13::uuid[]
    ) AS batch (
        execution_id, path, attempt, seq, status, reason, output, error, started_at, ended_at, workflow_step_id,
        agent_id
    )
    WHERE (SELECT worker_id FROM executions WHERE executions.id = batch.execution_id) = gate.worker_id
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
    WHERE step_runs.status = 'running' AND excluded.status <> 'running'
    RETURNING execution_id, path, attempt, status, reason, error, started_at, ended_at, workflow_step_id, agent_id
),
ends AS MATERIALIZED (
    SELECT *, LEAST(GREATEST(floor(EXTRACT(EPOCH FROM ended_at - started_at) * 1000), 0), 2147483647)::int4
              AS duration_ms
    FROM recorded WHERE status <> 'running'
),

-- One line of the log an end. Its id is a UUID of version 7 made from what it is about, so that the index of ids
-- grows at its end; a step whose row is gone is forgotten.
logged AS (
    INSERT INTO execution_logs (
        id, execution_id, workflow_step_id, level, message, metadata, step_key, step_status, step_started_at,
        step_completed_at, step_duration_ms, created_at
    )
    SELECT (
               lpad(to_hex(floor(EXTRACT(EPOCH FROM ends.ended_at) * 1000)::int8), 12, '0') || '7' || overlay(
                   left(encode(sha256(convert_to(
                       ends.execution_id || '/' || ends.path || '/' || ends.attempt, 'UTF8'
                   )), 'hex'), 19)
                   PLACING '8' FROM 4 FOR 1
               )
           )::uuid,
           ends.execution_id, (SELECT id FROM workflow_steps WHERE workflow_steps.id = ends.workflow_step_id),
           CASE ends.status WHEN 'failed' THEN 'error' ELSE 'info' END,
           CASE ends.status
               WHEN 'completed' THEN format('step `%s` completed in %s ms', ends.path, ends.duration_ms)
               WHEN 'failed' THEN format(
                   'step `%s` failed after %s ms: %s: %s', ends.path, ends.duration_ms, ends.error ->> 'code',
                   left(ends.error ->> 'message', 4000)
               )
               ELSE format('step `%s` was skipped: %s', ends.path, ends.reason)
           END,
           jsonb_strip_nulls(jsonb_build_object(
               'path', ends.path, 'attempt', ends.attempt, 'reason', ends.reason, 'error_code', ends.error -> 'code'
           )),
           split_part(split_part(ends.path, '.', -1), '[', 1), ends.status, ends.started_at, ends.ended_at,
           ends.duration_ms, ends.ended_at
    FROM ends
    ON CONFLICT (id) DO NOTHING
),

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
        duration_ms = LEAST(GREATEST(
            floor(EXTRACT(EPOCH FROM batch.completed_at - batch.started_at) * 1000), 0
        ), 2147483647)::int4,
        updated_at = LOCALTIMESTAMP,
        worker_id = NULL,
        wake_at = NULL
    FROM gate, UNNEST(
        $14::uuid[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::int4[], $21::int4[],
        $22::timestamp[], $23::timestamp[]
    ) AS batch (
        id, status, output, error_message, error_code, error_stack, steps_completed, steps_failed, started_at,
        completed_at
    )
    WHERE executions.id = ANY ($14::uuid[]) AND executions.id = batch.id
      AND executions.worker_id IS NOT DISTINCT FROM gate.worker_id
    RETURNING executions.id, executions.workflow_id, executions.status, executions.duration_ms,
              executions.completed_at
),

-- Executions that only wait are handed back. An ended child ($30) or an event that is there already makes that
-- now, and so does mail that came in meanwhile, which is an earlier `wake_at`.
parking AS MATERIALIZED (
    SELECT batch.id, LEAST(batch.wake_at, CASE
               WHEN batch.id = ANY ($30::uuid[]) OR EXISTS (
                   SELECT FROM UNNEST($26::uuid[], $27::text[], $28::text[], $29::timestamp[])
                       AS awaited (execution_id, path, event_name, since)
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
    FROM gate, UNNEST($24::uuid[], $25::timestamp[]) AS batch (id, wake_at)
),
parked AS (
    UPDATE executions SET
        worker_id = NULL,
        takeovers = 0,
        takeover_records = 0,
        wake_at = LEAST(executions.wake_at, parking.wake_at),
        updated_at = LOCALTIMESTAMP
    FROM gate, parking
    WHERE executions.id = ANY ($24::uuid[]) AND executions.id = parking.id
      AND executions.worker_id IS NOT DISTINCT FROM gate.worker_id
    RETURNING executions.id
),

-- What each parked execution waits for now, in place of what it waited for before; what has ended waits for nothing.
waiting AS (
    INSERT INTO waits (execution_id, path, event_name, since)
    SELECT batch.execution_id, batch.path, batch.event_name, batch.since
    FROM parked
    JOIN UNNEST($26::uuid[], $27::text[], $28::text[], $29::timestamp[])
        AS batch (execution_id, path, event_name, since) ON batch.execution_id = parked.id
    ON CONFLICT (execution_id, path) DO UPDATE SET event_name = excluded.event_name, since = excluded.since
),
forgotten AS (
    DELETE FROM waits
    USING (SELECT id FROM ended UNION ALL SELECT id FROM parked) AS past
    WHERE waits.execution_id = ANY ($14::uuid[] || $24::uuid[]) AND waits.execution_id = past.id AND NOT EXISTS (
        SELECT FROM UNNEST($26::uuid[], $27::text[]) AS batch (execution_id, path)
        WHERE batch.execution_id = waits.execution_id AND batch.path = waits.path
    )
),

-- Parents of children that ended ($30), but those that end or park here: claimable at once, or told by mail. One that
-- the worker wrongly holds for its own neither ends nor parks.
woken AS (
    UPDATE executions SET wake_at = LEAST(executions.wake_at, LOCALTIMESTAMP)
    FROM gate
    WHERE executions.id = ANY ($30::uuid[]) AND executions.status IN ('pending', 'running')
      AND NOT (
          executions.id = ANY ($14::uuid[] || $24::uuid[]) AND executions.worker_id IS NOT DISTINCT FROM gate.worker_id
      )
),

-- Facts for the metrics of workflows and agents, to be folded later: their rows are too hot to be updated here.
counted AS (
    INSERT INTO counter_deltas (kind, target_id, total, succeeded, failed, duration_ms, last_at)
    SELECT 'workflow', workflow_id, count(*), count(*) FILTER (WHERE status = 'completed'),
           count(*) FILTER (WHERE status <> 'completed'), sum(duration_ms), max(completed_at)
    FROM ended GROUP BY workflow_id
    UNION ALL
    SELECT 'agent', agent_id, count(*), count(*) FILTER (WHERE status = 'completed'),
           count(*) FILTER (WHERE status = 'failed'), sum(duration_ms), max(ended_at)
    FROM ends WHERE agent_id IS NOT NULL AND status IN ('completed', 'failed') GROUP BY agent_id
)
SELECT EXISTS (SELECT FROM fence) AS is_alive
