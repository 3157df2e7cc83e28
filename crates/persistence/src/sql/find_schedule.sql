-- The time, and the schedule that workflow $1 of user $2 with the name $3 may take over, if there is one. One that the
-- workflow has under another name goes.
WITH renamed AS (
    DELETE FROM schedules WHERE workflow_id = $1 AND (user_id, name) <> ($2, $3)
)
SELECT clock.now, schedules.config, schedules.next_at, schedules.queued_for,
       COALESCE(schedules.ended_at = clock.now, false) AS has_just_ended
FROM (SELECT LOCALTIMESTAMP AS now) AS clock
LEFT JOIN schedules ON schedules.user_id = $2 AND schedules.name = $3
