-- Takes up to $4 permits of the rate of subject $1: one comes up every $2 microseconds, at most $3 lie ready.
-- The row holds until when the permits are spent: one more moves that on by the time of one. Whoever waits for
-- another's update here counts from when it began to wait, which gives rather too few than too many.
INSERT INTO rate_limits AS standing (subject, spent_until, granted)
VALUES ($1, LOCALTIMESTAMP + LEAST($4::int8, $3::int8) * $2::int8 * INTERVAL '1 microsecond', LEAST($4::int8, $3::int8))
ON CONFLICT (subject) DO UPDATE SET (spent_until, granted) = (
    SELECT GREATEST(standing.spent_until, LOCALTIMESTAMP) + free.permits * $2::int8 * INTERVAL '1 microsecond',
           free.permits
    FROM (
        SELECT GREATEST(0, LEAST($4::int8, $3::int8 - CEIL(
            GREATEST(EXTRACT(EPOCH FROM standing.spent_until - LOCALTIMESTAMP) * 1000000, 0) / $2::int8
        )))::int8 AS permits
    ) AS free
)
RETURNING granted, GREATEST(EXTRACT(EPOCH FROM spent_until - LOCALTIMESTAMP) * 1000000, 0)::int8 AS spent_us
