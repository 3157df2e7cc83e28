-- Locks those of the workers $1 that are not marked dead yet. Waits for their commits under way, which hold their
-- rows FOR KEY SHARE; in the order of ids, or two who take over would wait for one another.
SELECT id FROM workers WHERE id = ANY ($1::uuid[]) AND dead_at IS NULL ORDER BY id FOR UPDATE
