-- Old executions $1 to $2 (exclusive) of $3, of workflow $4 and user $5: each ended, one in a hundred by failing, with
-- one record and one line of its log. They are a millisecond apart and the last of them was a day ago. Their ids are
-- UUIDs of version 7 of that time, so that the tables and their indexes have the order that they would have got.
WITH old AS MATERIALIZED (
    SELECT at, CASE number % 100 WHEN 0 THEN 'failed' ELSE 'completed' END AS status,
           (lpad(to_hex(floor(EXTRACT(EPOCH FROM at) * 1000)::int8), 12, '0') || '7'
            || substr(md5(number::text), 1, 3) || '8' || substr(md5(number::text), 4, 15))::uuid AS id
    FROM (
        SELECT number, LOCALTIMESTAMP - INTERVAL '1 day' - ($3::int8 - number) * INTERVAL '1 millisecond' AS at
        FROM generate_series($1::int8, $2::int8 - 1) AS number
    ) AS times
),
recorded AS (
    INSERT INTO step_runs (execution_id, path, attempt, seq, status, output, started_at, ended_at, workflow_step_id)
    SELECT id, 'step0', 1, 0, status, '{"v":1}', at, at, $6 FROM old
),
logged AS (
    INSERT INTO execution_logs (
        id, execution_id, level, message, metadata, step_key, step_status, step_started_at, step_completed_at,
        step_duration_ms, created_at
    )
    SELECT id, id, 'info', 'step `step0` completed in 0 ms', '{}', 'step0', 'completed', at, at, 0, at FROM old
)
INSERT INTO executions (
    id, workflow_id, user_id, status, trigger_type, trigger_data, input_data, output_data, steps_total, steps_completed,
    deadline_at, started_at, completed_at, duration_ms, created_at, updated_at
)
SELECT id, $4, $5, status, 'api', '{}', '{}', '{}', 1, 1, at + INTERVAL '1 day', at, at, 0, at, at FROM old
