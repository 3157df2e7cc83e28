-- Entries of the audit log without a link, at most $1: somebody wrote them past the trigger that seals.
SELECT entry.id FROM audit_logs AS entry
WHERE NOT EXISTS (SELECT FROM audit_links AS link WHERE link.audit_log_id = entry.id)
ORDER BY entry.id
LIMIT $1
