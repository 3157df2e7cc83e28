-- What became of a transaction whose COMMIT was not answered: 'committed', 'aborted' or 'in progress'.
SELECT pg_xact_status($1::xid8) AS status
