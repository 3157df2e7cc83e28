-- Records a part of the step $3 of execution $2 for worker $1: its key $4, its kind $5, its data $6, and what it is
-- charged ($7, NULL if nothing).
--
-- The fence is that of the journal: empty when the worker is marked dead, and everything hangs on it. It waits for a
-- takeover that is under way, and a takeover waits for it. The execution is locked against being deleted, no more.
-- What stands under the key stays, and is returned. A row that another session commits while this one runs is not seen
-- by either branch: then there is no data, and the statement is made again. A charge hangs on the row that was
-- recorded: it is made once, and in the same commit. Sums are locked upwards, from a child to its parents.
WITH RECURSIVE fence AS MATERIALIZED (
    SELECT id FROM workers WHERE id = $1 AND dead_at IS NULL FOR KEY SHARE
),
gate AS MATERIALIZED (
    SELECT executions.id, executions.user_id, executions.workflow_id FROM fence, executions
    WHERE executions.id = $2 AND executions.worker_id IS NOT DISTINCT FROM fence.id
    FOR KEY SHARE OF executions
),
recorded AS (
    INSERT INTO step_parts (execution_id, path, key, kind, data, recorded_at)
    SELECT gate.id, $3::text, $4::text, $5::text, $6::text::jsonb, LOCALTIMESTAMP FROM gate
    ON CONFLICT (execution_id, path, key) DO NOTHING
    RETURNING execution_id, data, recorded_at
),
charge AS MATERIALIZED (
    SELECT recorded.execution_id, recorded.recorded_at, gate.user_id, gate.workflow_id, given.*
    FROM recorded, gate, jsonb_to_record($7::text::jsonb) AS given(
        agent_id UUID, agent_name TEXT, provider TEXT, model TEXT,
        input_tokens BIGINT, output_tokens BIGINT, cached_input_tokens BIGINT, nano_usd BIGINT, price_version TEXT
    )
    WHERE $7::text IS NOT NULL
),
used AS (
    INSERT INTO model_usage (execution_id, path, key, agent_id, provider, model, input_tokens, output_tokens,
                             cached_input_tokens, nano_usd, price_version, recorded_at)
    SELECT execution_id, $3::text, $4::text, agent_id, provider, model, input_tokens, output_tokens,
           cached_input_tokens, nano_usd, price_version, recorded_at
    FROM charge
),
lineage AS (
    SELECT charge.execution_id AS id, 0 AS distance FROM charge
    UNION ALL
    SELECT executions.parent_execution_id, lineage.distance + 1
    FROM lineage JOIN executions ON executions.id = lineage.id
    WHERE executions.parent_execution_id IS NOT NULL
),
summed_up AS (
    INSERT INTO usage_executions AS standing (execution_id, calls, input_tokens, output_tokens, cached_input_tokens,
                                              nano_usd, unpriced_calls)
    SELECT lineage.id, 1, input_tokens, output_tokens, cached_input_tokens, COALESCE(nano_usd, 0),
           (nano_usd IS NULL)::int
    FROM charge, lineage ORDER BY lineage.distance
    ON CONFLICT (execution_id) DO UPDATE SET
        calls = standing.calls + 1,
        input_tokens = standing.input_tokens + excluded.input_tokens,
        output_tokens = standing.output_tokens + excluded.output_tokens,
        cached_input_tokens = standing.cached_input_tokens + excluded.cached_input_tokens,
        nano_usd = standing.nano_usd + excluded.nano_usd,
        unpriced_calls = standing.unpriced_calls + excluded.unpriced_calls
),
summed_by_day AS (
    INSERT INTO usage_days AS standing (user_id, day, agent_name, workflow_id, provider, model, calls, input_tokens,
                                        output_tokens, cached_input_tokens, nano_usd, unpriced_calls)
    SELECT user_id, recorded_at::date, agent_name, workflow_id, provider, model, 1, input_tokens,
           output_tokens, cached_input_tokens, COALESCE(nano_usd, 0), (nano_usd IS NULL)::int
    FROM charge
    ON CONFLICT (user_id, day, agent_name, workflow_id, provider, model) DO UPDATE SET
        calls = standing.calls + 1,
        input_tokens = standing.input_tokens + excluded.input_tokens,
        output_tokens = standing.output_tokens + excluded.output_tokens,
        cached_input_tokens = standing.cached_input_tokens + excluded.cached_input_tokens,
        nano_usd = standing.nano_usd + excluded.nano_usd,
        unpriced_calls = standing.unpriced_calls + excluded.unpriced_calls
),
settled AS (
    DELETE FROM budget_reservations USING gate
    WHERE budget_reservations.execution_id = gate.id AND budget_reservations.path = $3 AND budget_reservations.key = $4
)
SELECT EXISTS (SELECT FROM fence) AS is_alive, EXISTS (SELECT FROM gate) AS is_owned, COALESCE(
           (SELECT data FROM recorded),
           (SELECT data FROM step_parts WHERE execution_id = $2 AND path = $3 AND key = $4)
       ) AS data
