-- What the engine needs beyond the specification. The reason of each column and table is its COMMENT, where an
-- administrator finds it too (\d+), and a test refuses one without.

-- Ownership, waking, budgets and parentage of an execution ---------------------------------------------------

ALTER TABLE executions
  ADD COLUMN worker_id UUID,
  ADD COLUMN takeovers INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN takeover_records INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN wake_at TIMESTAMP,
  ADD COLUMN cancel_requested_at TIMESTAMP,
  ADD COLUMN deadline_at TIMESTAMP,
  ADD COLUMN parent_execution_id UUID,
  ADD COLUMN parent_path TEXT,
  ADD COLUMN depth INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN error_code VARCHAR(100),
  -- An ended execution is nobody's and wakes for nothing, so the partial indexes below hold live work only.
  ADD CONSTRAINT executions_ended_is_unowned_check CHECK (
    status NOT IN ('completed', 'failed', 'cancelled', 'timeout') OR (worker_id IS NULL AND wake_at IS NULL)
  );

COMMENT ON COLUMN executions.worker_id IS
  'Worker that owns the execution while it is running. No foreign key: a claim must not lock the row of its worker.';
COMMENT ON COLUMN executions.takeovers IS
  'Takeovers in a row in which nothing was journalled: past the limit the execution fails as poison.';
COMMENT ON COLUMN executions.takeover_records IS
  'Rows in step_runs at the last takeover: what the next one compares with to see progress.';
COMMENT ON COLUMN executions.wake_at IS
  'Without an owner: claimable from then on. With an owner: there is mail (a cancel, an event) that it must look at.';
COMMENT ON COLUMN executions.cancel_requested_at IS
  'When a cancel was asked for: durable before the owner has heard of it.';
COMMENT ON COLUMN executions.deadline_at IS
  'When the execution ends as timeout: counted from its acceptance, and fixed there, so that neither the time in '
  'which nobody claims it nor a takeover gives it more.';
COMMENT ON COLUMN executions.parent_execution_id IS
  'Execution of which a step started this one. No foreign key: parents and children are retained apart.';
COMMENT ON COLUMN executions.parent_path IS
  'Path of that step in the parent; with the parent it is the key that lets a step start its child once.';
COMMENT ON COLUMN executions.depth IS
  'How many executions are above this one: bounds workflows that call themselves.';
COMMENT ON COLUMN executions.error_code IS
  'Stable code of error_message, for programs.';

-- A step starts its child once, however often its attempt is repeated.
CREATE UNIQUE INDEX uq_executions_parent ON executions(parent_execution_id, parent_path)
  WHERE parent_execution_id IS NOT NULL;
-- What a claim scans: live work without an owner, longest due first.
CREATE INDEX idx_executions_claimable ON executions(wake_at) WHERE worker_id IS NULL AND wake_at IS NOT NULL;
-- What a takeover scans: all that a dead worker owned.
CREATE INDEX idx_executions_owned ON executions(worker_id) WHERE worker_id IS NOT NULL;
-- What an owner polls: those of its executions that have mail.
CREATE INDEX idx_executions_mail ON executions(worker_id, wake_at) WHERE worker_id IS NOT NULL AND wake_at IS NOT NULL;

-- The promise "exactly one terminal status" is kept here too, below every query that could break it.
CREATE FUNCTION executions_terminal_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'execution % has ended as % and cannot become %', OLD.id, OLD.status, NEW.status
    USING ERRCODE = 'check_violation', TABLE = 'executions', CONSTRAINT = 'executions_terminal_is_final';
END
$$;

CREATE TRIGGER executions_terminal_is_final BEFORE UPDATE OF status ON executions FOR EACH ROW
  WHEN (OLD.status IN ('completed', 'failed', 'cancelled', 'timeout') AND NEW.status IS DISTINCT FROM OLD.status)
  EXECUTE FUNCTION executions_terminal_is_final();

-- Metrics and names --------------------------------------------------------------------------------------------

ALTER TABLE workflows ADD COLUMN total_execution_time_ms BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN workflows.total_execution_time_ms IS
  'Sum behind avg_execution_time_ms: an average folded from averages would drift.';

ALTER TABLE agents ADD COLUMN total_execution_time_ms BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN agents.total_execution_time_ms IS
  'Sum behind avg_execution_time_ms: an average folded from averages would drift.';

-- One account an address, however it is spelt.
CREATE UNIQUE INDEX uq_users_email_lower ON users(lower(email));
-- One active version a name and owner: "run agent x" has one meaning.
CREATE UNIQUE INDEX uq_agents_active_name ON agents(user_id, name) WHERE status = 'active' AND deleted_at IS NULL;
CREATE UNIQUE INDEX uq_workflows_active_name ON workflows(user_id, name) WHERE status = 'active' AND deleted_at IS NULL;

-- The audit log is append-only ---------------------------------------------------------------------------------

CREATE FUNCTION audit_logs_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_logs is append-only: % is refused', TG_OP
    USING ERRCODE = 'insufficient_privilege', TABLE = 'audit_logs';
END
$$;

-- ON DELETE SET NULL of a deleted user is an update: exactly that one passes.
CREATE TRIGGER audit_logs_no_update BEFORE UPDATE ON audit_logs FOR EACH ROW
  WHEN (NOT (
    OLD.user_id IS NOT NULL AND NEW.user_id IS NULL AND to_jsonb(OLD) - 'user_id' = to_jsonb(NEW) - 'user_id'
  ))
  EXECUTE FUNCTION audit_logs_append_only();
CREATE TRIGGER audit_logs_no_delete BEFORE DELETE ON audit_logs FOR EACH ROW
  EXECUTE FUNCTION audit_logs_append_only();
CREATE TRIGGER audit_logs_no_truncate BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT
  EXECUTE FUNCTION audit_logs_append_only();

-- Tables of the engine -----------------------------------------------------------------------------------------

CREATE TABLE step_runs (
  execution_id UUID NOT NULL,
  -- Byte order: a prefix scan over a container's paths needs no collation, and every server sorts alike.
  path TEXT COLLATE "C" NOT NULL,
  attempt SMALLINT NOT NULL,
  seq INTEGER NOT NULL,
  status VARCHAR(20) NOT NULL,
  reason VARCHAR(40),
  output JSONB,
  error JSONB,
  started_at TIMESTAMP NOT NULL,
  ended_at TIMESTAMP,
  workflow_step_id UUID,
  agent_id UUID,

  CONSTRAINT step_runs_pkey PRIMARY KEY (execution_id, path, attempt),
  CONSTRAINT step_runs_status_check CHECK (status IN ('running', 'completed', 'failed', 'skipped'))
);
COMMENT ON TABLE step_runs IS
  'The journal: the result of every attempt, from which a run is recovered. The natural key makes a repeated batch '
  'harmless. No foreign keys: each would cost a lookup and a row lock an insert on the hottest path.';

CREATE TABLE workers (
  id UUID PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  lock_key BIGINT NOT NULL,
  started_at TIMESTAMP NOT NULL,
  lease_until TIMESTAMP NOT NULL,
  dead_at TIMESTAMP
);
COMMENT ON TABLE workers IS
  'One row a life of a worker process: its lease, the key of the session lock that tells of its death at once, and '
  'the fence (dead_at) that every flush of its journal checks.';
CREATE INDEX idx_workers_lease_until ON workers(lease_until) WHERE dead_at IS NULL;

CREATE TABLE waits (
  execution_id UUID NOT NULL REFERENCES executions(id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  event_name VARCHAR(255) NOT NULL,
  since TIMESTAMP NOT NULL,

  CONSTRAINT waits_pkey PRIMARY KEY (execution_id, path)
);
COMMENT ON TABLE waits IS
  'Which parked steps an event may concern, so that its arrival wakes their executions and no others.';
CREATE INDEX idx_waits_event_name ON waits(event_name);

CREATE TABLE events (
  id UUID PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  payload JSONB NOT NULL,
  execution_id UUID,
  path TEXT,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  received_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE events IS
  'Events as they arrived, kept so that a wait that is registered later can look back, and none is lost in between. '
  'They are for executions of their user alone.';
-- The user first: what others send, however much, is not looked at.
CREATE INDEX idx_events_user_name ON events(user_id, name, received_at);

CREATE TABLE counter_deltas (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind VARCHAR(20) NOT NULL,
  target_id UUID NOT NULL,
  total INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  duration_ms BIGINT NOT NULL,
  last_at TIMESTAMP NOT NULL,

  CONSTRAINT counter_deltas_kind_check CHECK (kind IN ('workflow', 'agent'))
);
COMMENT ON TABLE counter_deltas IS
  'Facts for the metrics of workflows and agents, committed with the executions they count and folded in batches: '
  'otherwise every execution would update the one row of its workflow.';
