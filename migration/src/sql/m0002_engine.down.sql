DROP TABLE counter_deltas;
DROP TABLE events;
DROP TABLE waits;
DROP TABLE workers;
DROP TABLE step_runs;

DROP TRIGGER audit_logs_no_truncate ON audit_logs;
DROP TRIGGER audit_logs_no_delete ON audit_logs;
DROP TRIGGER audit_logs_no_update ON audit_logs;
DROP FUNCTION audit_logs_append_only();

DROP INDEX uq_workflows_active_name;
DROP INDEX uq_agents_active_name;
DROP INDEX uq_users_email_lower;
ALTER TABLE agents DROP COLUMN total_execution_time_ms;
ALTER TABLE workflows DROP COLUMN total_execution_time_ms;

DROP TRIGGER executions_terminal_is_final ON executions;
DROP FUNCTION executions_terminal_is_final();
DROP INDEX idx_executions_mail;
DROP INDEX idx_executions_owned;
DROP INDEX idx_executions_claimable;
DROP INDEX uq_executions_parent;
ALTER TABLE executions
  DROP CONSTRAINT executions_ended_is_unowned_check,
  DROP COLUMN error_code,
  DROP COLUMN depth,
  DROP COLUMN parent_path,
  DROP COLUMN parent_execution_id,
  DROP COLUMN deadline_at,
  DROP COLUMN cancel_requested_at,
  DROP COLUMN wake_at,
  DROP COLUMN takeover_records,
  DROP COLUMN takeovers,
  DROP COLUMN worker_id;
