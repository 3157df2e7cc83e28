-- Copies the scheduled workflow $1 with its steps and its schedule, under names of their own, as numbers $2 to $3
-- (exclusive).
WITH copies AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, 'bench-' || number AS name FROM generate_series($2::int8, $3::int8 - 1) AS number
),
copied AS (
    INSERT INTO workflows
    SELECT copy.*
    FROM copies, workflows,
         LATERAL jsonb_populate_record(workflows, jsonb_build_object('id', copies.id, 'name', copies.name)) AS copy
    WHERE workflows.id = $1
),
steps AS (
    INSERT INTO workflow_steps
    SELECT copy.*
    FROM copies, workflow_steps,
         LATERAL jsonb_populate_record(
             workflow_steps, jsonb_build_object('id', gen_random_uuid(), 'workflow_id', copies.id)
         ) AS copy
    WHERE workflow_steps.workflow_id = $1
)
INSERT INTO schedules (workflow_id, user_id, name, config, steps_total, timeout_ms, next_at)
SELECT copies.id, user_id, copies.name, config, steps_total, timeout_ms, next_at
FROM copies, schedules WHERE schedules.workflow_id = $1
