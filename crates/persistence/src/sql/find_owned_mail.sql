-- Whether any execution of worker $1 has mail: what a worker asks again and again, from the index alone.
SELECT EXISTS (
    SELECT FROM executions WHERE worker_id = $1 AND wake_at <= LOCALTIMESTAMP
) AS has_mail
