-- The schedules of active workflows, and what became of their ticks.

CREATE TABLE schedules (
  workflow_id UUID PRIMARY KEY REFERENCES workflows(id) ON DELETE CASCADE,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  config JSONB NOT NULL,
  steps_total INTEGER NOT NULL,
  timeout_ms BIGINT NOT NULL,
  next_at TIMESTAMP,
  jitter_ms INTEGER NOT NULL DEFAULT 0,
  queued_for TIMESTAMP,
  released_at TIMESTAMP,
  last_execution_id UUID,
  ended_at TIMESTAMP,
  due_at TIMESTAMP GENERATED ALWAYS AS (
    CASE WHEN ended_at IS NULL THEN LEAST(released_at, next_at + jitter_ms * INTERVAL '1 millisecond') END
  ) STORED,

  CONSTRAINT schedules_unique_name UNIQUE (user_id, name)
);
COMMENT ON TABLE schedules IS
  'Where the schedule of each workflow stands: one row an owner and name, which passes from version to version, so that '
  'a tick is neither lost nor doubled by a publication.';
COMMENT ON COLUMN schedules.workflow_id IS
  'The version that is started: the active one.';
COMMENT ON COLUMN schedules.user_id IS
  'Whose it is. With the name it is what versions share.';
COMMENT ON COLUMN schedules.name IS
  'The name of the workflow.';
COMMENT ON COLUMN schedules.config IS
  'triggers.schedule of the document, so that whoever fires it need not read the document.';
COMMENT ON COLUMN schedules.steps_total IS
  'steps_total of the executions that it starts.';
COMMENT ON COLUMN schedules.timeout_ms IS
  'How long an execution that it starts may take.';
COMMENT ON COLUMN schedules.next_at IS
  'The first tick that was not handled. Whoever fires it names the value that it read, and does nothing if it is another.';
COMMENT ON COLUMN schedules.jitter_ms IS
  'By how much that tick is late on purpose.';
COMMENT ON COLUMN schedules.queued_for IS
  'The tick that waits for the end of last_execution_id (overlap: queue).';
COMMENT ON COLUMN schedules.released_at IS
  'Set when that execution ended, or when the rules changed: the schedule is looked at again.';
COMMENT ON COLUMN schedules.last_execution_id IS
  'The execution that it started last: what an overlap is an overlap with. No foreign key: executions are retained apart.';
COMMENT ON COLUMN schedules.ended_at IS
  'When its workflow was deactivated, deleted or lost its schedule. The version that is published in the same '
  'transaction takes over what stands here.';
COMMENT ON COLUMN schedules.due_at IS
  'When it is looked at next. Computed from the others, so that no writer can forget it.';

-- What is asked for: the longest due first, and when the next one is.
CREATE INDEX idx_schedules_due ON schedules(due_at) WHERE due_at IS NOT NULL;
-- What the end of an execution looks for.
CREATE INDEX idx_schedules_waiting ON schedules(last_execution_id) WHERE queued_for IS NOT NULL;

CREATE TABLE schedule_ticks (
  workflow_id UUID NOT NULL,
  scheduled_for TIMESTAMP NOT NULL,
  verdict VARCHAR(20) NOT NULL,
  execution_id UUID,
  decided_at TIMESTAMP NOT NULL,

  CONSTRAINT schedule_ticks_pkey PRIMARY KEY (workflow_id, scheduled_for),
  CONSTRAINT schedule_ticks_verdict_check CHECK (verdict IN ('started', 'missed', 'overlapped'))
);
COMMENT ON TABLE schedule_ticks IS
  'What became of each tick of the last seven days: the key lets a tick start one execution, the rows tell why it '
  'started none. They pass from version to version with their schedule. No foreign keys: each would cost a lookup a tick.';

-- A tick that waits is due with the end of what it waits for, in the transaction of that end, whoever ends it.
CREATE FUNCTION executions_release_schedules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE schedules SET released_at = LOCALTIMESTAMP WHERE last_execution_id = NEW.id AND queued_for IS NOT NULL;
  RETURN NULL;
END
$$;

CREATE TRIGGER executions_release_schedules AFTER UPDATE OF status ON executions FOR EACH ROW
  WHEN (
    NEW.trigger_type = 'scheduled' AND OLD.status IN ('pending', 'running')
    AND NEW.status IN ('completed', 'failed', 'cancelled', 'timeout')
  )
  EXECUTE FUNCTION executions_release_schedules();

-- Schedules that were published before: they are due without a tick, and get their first one when they are looked at.
INSERT INTO schedules (workflow_id, user_id, name, config, steps_total, timeout_ms, released_at)
SELECT workflows.id, workflows.user_id, workflows.name, workflows.trigger_config -> 'schedule',
       (
         SELECT count(*) FROM workflow_steps AS step WHERE step.workflow_id = workflows.id AND NOT EXISTS (
           SELECT FROM workflow_steps AS container
           WHERE container.workflow_id = workflows.id AND container.step_type IN ('loop', 'parallel') AND (
             COALESCE(container.config -> 'body' ? step.step_key, false)
             OR jsonb_path_exists(
               container.config, '$.branches.*[*] ? (@ == $key)', jsonb_build_object('key', step.step_key)
             )
           )
         )
       ),
       COALESCE((workflows.definition -> 'settings' ->> 'timeout_ms')::bigint, 3600000),
       LOCALTIMESTAMP
FROM workflows
WHERE workflows.status = 'active' AND workflows.deleted_at IS NULL AND workflows.schedule_enabled
  AND jsonb_typeof(workflows.trigger_config -> 'schedule') = 'object';
