-- How many executions nobody owns, of each kind at most $1: those whose time has come, and those that are parked until
-- later. And how long the first of them has been due. A queue of millions costs no more than one of $1.
SELECT (SELECT count(*) FROM (
            SELECT FROM executions WHERE worker_id IS NULL AND wake_at <= LOCALTIMESTAMP ORDER BY wake_at LIMIT $1
        ) AS due) AS claimable,
       (SELECT count(*) FROM (
            SELECT FROM executions WHERE worker_id IS NULL AND wake_at > LOCALTIMESTAMP ORDER BY wake_at LIMIT $1
        ) AS later) AS parked,
       (SELECT extract(epoch FROM LOCALTIMESTAMP - wake_at)::double precision FROM executions
        WHERE worker_id IS NULL AND wake_at <= LOCALTIMESTAMP ORDER BY wake_at LIMIT 1) AS due_for_s
