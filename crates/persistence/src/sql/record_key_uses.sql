-- Adds to the counts of keys, in one statement for all of them. Rows are locked in the order of their ids, or two
-- processes would wait for each other. `updated_at` stays: a use is no change of the key.
WITH used AS MATERIALIZED (
    SELECT api_keys.id, batch.count, batch.last_used_at
    FROM api_keys JOIN UNNEST($1::uuid[], $2::int8[], $3::timestamp[]) AS batch (id, count, last_used_at) USING (id)
    ORDER BY api_keys.id
    FOR NO KEY UPDATE OF api_keys
)
UPDATE api_keys
SET usage_count = LEAST(api_keys.usage_count + used.count, 2147483647)::int4,
    last_used_at = GREATEST(api_keys.last_used_at, used.last_used_at)
FROM used WHERE api_keys.id = used.id
