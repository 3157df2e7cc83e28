-- The links of the audit log behind $1, at most $2, each with its entry as it is now, written as it was when it was
-- sealed; NULL if it is gone. An entry loses its user with the account, and in no other way.
SELECT link.seq, link.audit_log_id, link.entry_hash, link.hash,
       CASE WHEN entry.id IS NOT NULL THEN jsonb_build_array(
           entry.id, link.user_id, entry.action, entry.resource_type, entry.resource_id, entry.changes, entry.metadata,
           entry.ip_address, entry.user_agent, entry.created_at
       )::text END AS entry,
       entry.user_id IS DISTINCT FROM link.user_id
           AND (entry.user_id IS NOT NULL OR EXISTS (SELECT FROM users WHERE users.id = link.user_id))
           AS has_another_user
FROM audit_links AS link
LEFT JOIN audit_logs AS entry ON entry.id = link.audit_log_id
WHERE link.seq > $1
ORDER BY link.seq
LIMIT $2
