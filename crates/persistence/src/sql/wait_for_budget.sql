-- Notes that execution $2 is short of budget $1, and gives back what was reserved for the turn $4 of its step $3.
WITH given_back AS (
    DELETE FROM budget_reservations WHERE execution_id = $2 AND path = $3 AND key = $4
)
INSERT INTO budget_waits (budget_id, execution_id) VALUES ($1, $2)
ON CONFLICT (budget_id, execution_id) DO NOTHING
