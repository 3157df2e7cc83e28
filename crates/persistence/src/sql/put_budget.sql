-- Sets a budget. One that is there keeps its id and its age; who reserves meanwhile waits for this lock, or is waited
-- for.
INSERT INTO budgets AS standing (id, user_id, scope, subject, unit, period, amount, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
ON CONFLICT (user_id, scope, subject, unit, period) DO UPDATE
  SET amount = excluded.amount, updated_at = excluded.updated_at
RETURNING id
