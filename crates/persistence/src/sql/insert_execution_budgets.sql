-- Gives execution $1 the budgets of units $2 and amounts $3 where it has none of the kind: those that its workflow sets
-- for each of its executions.
INSERT INTO budgets (id, user_id, scope, subject, unit, period, amount, created_at, updated_at)
SELECT gen_random_uuid(), executions.user_id, 'execution', executions.id::text, given.unit, 'total', given.amount,
       LOCALTIMESTAMP, LOCALTIMESTAMP
FROM executions, unnest($2::text[], $3::int8[]) AS given(unit, amount)
WHERE executions.id = $1
ON CONFLICT (user_id, scope, subject, unit, period) DO NOTHING
