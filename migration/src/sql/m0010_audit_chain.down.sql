DROP TRIGGER audit_logs_seal ON audit_logs;
DROP FUNCTION audit_logs_seal();
DROP TABLE audit_links;
DROP TABLE audit_head;
DROP FUNCTION audit_chain_refuse();
DROP FUNCTION audit_seal(audit_logs);
DROP FUNCTION audit_entry_hash(audit_logs);
