-- The parts of execution $1 behind place $2, in the order in which they were recorded, at most $3 of them; of their data
-- the members that $4 names: what models said may be long, and is not what is looked for.
SELECT path, key, kind, seq, recorded_at, CASE jsonb_typeof(data) WHEN 'object' THEN COALESCE((
           SELECT jsonb_object_agg(member.key, member.value) FROM jsonb_each(data) AS member
           WHERE member.key = ANY ($4::text[])
       ), '{}') ELSE '{}' END AS data
FROM step_parts WHERE execution_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
