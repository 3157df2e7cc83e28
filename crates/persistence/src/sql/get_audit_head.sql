-- Where the chain of the audit log is said to end.
SELECT seq, hash FROM audit_head
