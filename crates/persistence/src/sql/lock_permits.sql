-- Makes those who share the permits of agent $1 take turns until the end of the transaction.
SELECT pg_advisory_xact_lock(1885695593, hashtext($1::text))
