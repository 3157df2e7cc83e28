-- What was used of the budgets $1 in their periods, and what is reserved of them for other turns than $4 of step $3 of
-- execution $2 (of all, if there is none). Reservations of executions that have ended count for nothing.
SELECT budgets.id,
       (CASE
           WHEN budgets.scope = 'execution' THEN (
               SELECT CASE budgets.unit WHEN 'tokens' THEN input_tokens + output_tokens ELSE nano_usd END
               FROM usage_executions WHERE execution_id = budgets.subject::uuid
           )
           ELSE (
               SELECT sum(CASE budgets.unit WHEN 'tokens' THEN input_tokens + output_tokens ELSE nano_usd END)::bigint
               FROM usage_days
               WHERE usage_days.user_id = budgets.user_id
                 AND (budgets.scope = 'user' OR usage_days.agent_name = budgets.subject)
                 AND usage_days.day >= CASE budgets.period
                     WHEN 'day' THEN LOCALTIMESTAMP::date
                     WHEN 'month' THEN date_trunc('month', LOCALTIMESTAMP)::date
                     ELSE '-infinity'::date
                 END
           )
       END) AS spent,
       (SELECT sum(reserved.amount)::bigint
        FROM budget_reservations AS reserved JOIN executions ON executions.id = reserved.execution_id
        WHERE reserved.budget_id = budgets.id
          AND executions.status NOT IN ('completed', 'failed', 'cancelled', 'timeout')
          AND (reserved.execution_id, reserved.path, reserved.key) IS DISTINCT FROM ($2::uuid, $3::text, $4::text)
       ) AS reserved
FROM budgets WHERE budgets.id = ANY ($1::uuid[])
