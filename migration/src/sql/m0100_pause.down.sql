-- Without pauses nothing resumes what is paused: it goes on.
UPDATE executions SET wake_at = LEAST(wake_at, LOCALTIMESTAMP) WHERE paused_at IS NOT NULL;

ALTER TABLE executions
  DROP CONSTRAINT executions_pause_check,
  DROP COLUMN pause_reason,
  DROP COLUMN paused_at;
