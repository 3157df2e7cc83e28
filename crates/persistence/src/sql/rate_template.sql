-- Notes the stars $3 of user $2 for template $1 at $4. Its row is locked first, so that of two who rate at the same
-- time the one who folds the average last counts the other. Ratings leave updated_at as it is: they are no
-- change of the template by its owner.
WITH template AS MATERIALIZED (
    SELECT id FROM templates WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE
)
INSERT INTO template_ratings (template_id, user_id, stars, rated_at)
SELECT id, $2, $3, $4 FROM template
ON CONFLICT (template_id, user_id) DO UPDATE SET stars = EXCLUDED.stars, rated_at = EXCLUDED.rated_at
