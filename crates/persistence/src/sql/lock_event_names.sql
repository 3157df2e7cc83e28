-- Makes those who publish events of the names $1 and those who park executions that wait for them take turns until
-- the end of the transaction. What comes first is seen by what comes second, if it reads in a later statement.
SELECT pg_advisory_xact_lock(1702257011, key)
FROM (SELECT DISTINCT hashtext(name) AS key FROM UNNEST($1::text[]) AS names (name) ORDER BY key) AS keys
