-- What execution $1 used, with all that it started (key ''), and what each of its own steps did, by path.
SELECT '' AS key, calls, input_tokens, output_tokens, cached_input_tokens, nano_usd, unpriced_calls
FROM usage_executions WHERE execution_id = $1
UNION ALL
SELECT path, count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(cached_input_tokens)::bigint,
       COALESCE(sum(nano_usd), 0)::bigint, count(*) - count(nano_usd)
FROM model_usage WHERE execution_id = $1 GROUP BY path
ORDER BY 1
