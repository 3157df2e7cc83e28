-- Empties the mailboxes of worker $1's executions, locked in the order of ids as everywhere. The id of the
-- transaction lets the caller learn its fate when the answer to COMMIT is lost.
WITH mail AS MATERIALIZED (
    SELECT id FROM executions
    WHERE worker_id = $1 AND wake_at <= LOCALTIMESTAMP
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE executions SET wake_at = NULL
FROM mail WHERE executions.id = mail.id
RETURNING executions.id, executions.cancel_requested_at IS NOT NULL AS cancel_requested,
          executions.paused_at IS NOT NULL AS is_paused,
          pg_current_xact_id()::text AS transaction_id
