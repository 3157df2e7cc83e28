-- Workers that nobody has found dead.
SELECT count(*) AS count FROM workers WHERE dead_at IS NULL
