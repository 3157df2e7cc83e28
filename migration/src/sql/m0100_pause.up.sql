-- Executions that are paused.

ALTER TABLE executions
  ADD COLUMN paused_at TIMESTAMP,
  ADD COLUMN pause_reason TEXT,
  -- A reason belongs to a pause, and what has ended is not paused.
  ADD CONSTRAINT executions_pause_check CHECK (
    paused_at IS NOT NULL AND status IN ('pending', 'running') OR paused_at IS NULL AND pause_reason IS NULL
  );

COMMENT ON COLUMN executions.paused_at IS
  'Since when the execution is paused: nothing of it is begun until it is resumed.';
COMMENT ON COLUMN executions.pause_reason IS
  'Why, if who paused it said so.';
