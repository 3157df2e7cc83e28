-- Folds the average of template $1 from its ratings. A statement of its own: only then it sees those of others, whose
-- transactions were waited for.
UPDATE templates SET
    rating_count = folded.count,
    rating_average = round(folded.average, 2)
FROM (SELECT count(*)::int4 AS count, COALESCE(avg(stars), 0) AS average FROM template_ratings WHERE template_id = $1) AS folded
WHERE id = $1
