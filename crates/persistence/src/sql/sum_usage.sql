-- The usage of user $1 (of all, if NULL) from day $2 to day $3, of agent $4 (of all, if NULL), summed by $5; at most $6
-- groups: days in their order, else the dearest first.
WITH sums AS (
    SELECT CASE $5::text
               WHEN 'day' THEN day::text
               WHEN 'agent' THEN agent_name
               WHEN 'workflow' THEN workflow_id::text
               WHEN 'model' THEN provider || '/' || model
               ELSE user_id::text
           END AS key,
           sum(calls)::bigint AS calls, sum(input_tokens)::bigint AS input_tokens,
           sum(output_tokens)::bigint AS output_tokens, sum(cached_input_tokens)::bigint AS cached_input_tokens,
           sum(nano_usd)::bigint AS nano_usd, sum(unpriced_calls)::bigint AS unpriced_calls
    FROM usage_days
    WHERE ($1::uuid IS NULL OR user_id = $1) AND day BETWEEN $2::date AND $3::date
      AND ($4::text IS NULL OR agent_name = $4)
    GROUP BY 1
)
SELECT * FROM sums
ORDER BY CASE $5::text WHEN 'day' THEN 0 ELSE nano_usd END DESC,
         CASE $5::text WHEN 'day' THEN 0 ELSE input_tokens + output_tokens END DESC,
         key COLLATE "C"
LIMIT $6
