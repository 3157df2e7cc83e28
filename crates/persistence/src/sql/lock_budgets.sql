-- Locks the budgets that apply to a turn of agent $2 in execution $1: those of its user, of the agent, of the execution
-- and of those that started it. Locked in the order of ids: of two turns that fit alone but not together the second
-- sees what the first has reserved.
WITH RECURSIVE lineage AS (
    SELECT id, parent_execution_id, user_id FROM executions WHERE id = $1
    UNION ALL
    SELECT executions.id, executions.parent_execution_id, executions.user_id
    FROM lineage JOIN executions ON executions.id = lineage.parent_execution_id
)
SELECT budgets.*, LOCALTIMESTAMP AS now FROM budgets
WHERE (budgets.user_id = (SELECT user_id FROM lineage WHERE id = $1)
       AND (budgets.scope = 'user' OR (budgets.scope = 'agent' AND budgets.subject = $2)))
   OR (budgets.scope = 'execution' AND budgets.subject IN (SELECT id::text FROM lineage))
ORDER BY budgets.id
FOR NO KEY UPDATE OF budgets
