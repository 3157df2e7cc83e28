-- Reserves amounts $5 of the budgets $1 for the turn $4 of step $3 of execution $2, in place of what was reserved for it
-- before, and takes the execution from the list of those that wait.
WITH waited AS (
    DELETE FROM budget_waits WHERE execution_id = $2 AND budget_id = ANY ($1::uuid[])
)
INSERT INTO budget_reservations (budget_id, execution_id, path, key, amount)
SELECT given.budget_id, $2, $3, $4, given.amount FROM unnest($1::uuid[], $5::int8[]) AS given(budget_id, amount)
ON CONFLICT (budget_id, execution_id, path, key) DO UPDATE SET amount = excluded.amount
