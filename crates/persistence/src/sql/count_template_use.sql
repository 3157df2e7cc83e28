-- Counts a use of template $1.
UPDATE templates SET usage_count = LEAST(usage_count, 2147483646) + 1 WHERE id = $1 AND deleted_at IS NULL
