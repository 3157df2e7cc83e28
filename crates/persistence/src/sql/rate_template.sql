-- Notes the stars $3 of user $2 for template $1 at $4, and folds its average from all ratings. Its row is locked first, so
-- that of two who rate at the same time the second one counts the first. Ratings leave updated_at as it is: they are no
-- change of the template by its owner.
WITH template AS MATERIALIZED (
    SELECT id FROM templates WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE
),
rated AS (
    INSERT INTO template_ratings (template_id, user_id, stars, rated_at)
    SELECT id, $2, $3, $4 FROM template
    ON CONFLICT (template_id, user_id) DO UPDATE SET stars = EXCLUDED.stars, rated_at = EXCLUDED.rated_at
    RETURNING template_id
)
SELECT count(*) AS count FROM rated
