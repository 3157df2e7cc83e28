-- Makes those who publish a version of name $2 of owner $1 take turns until the end of the transaction: a name that
-- has no version yet has no row to lock.
SELECT pg_advisory_xact_lock(1851878770, hashtext($1::text || '/' || $2 || '/' || $3))
