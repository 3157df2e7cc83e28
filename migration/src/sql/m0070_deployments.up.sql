-- What deployments need beyond the specification: their revisions, exact averages, and to find their executions.

ALTER TABLE deployments
  ADD COLUMN revision INTEGER NOT NULL DEFAULT 1,
  ADD COLUMN total_response_time_ms BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN deployments.revision IS
  'Number of the revision that holds, the latest one.';
COMMENT ON COLUMN deployments.total_response_time_ms IS
  'Sum behind avg_response_time_ms: an average folded from averages would drift.';

-- One deployment a name, environment and owner: "what runs in production under this name" has one answer.
CREATE UNIQUE INDEX uq_deployments_name ON deployments(user_id, environment, name) WHERE deleted_at IS NULL;

CREATE TABLE deployment_revisions (
  id UUID PRIMARY KEY,
  deployment_id UUID NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  workflow_id UUID NOT NULL REFERENCES workflows(id) ON DELETE CASCADE,
  agent_id UUID REFERENCES agents(id) ON DELETE CASCADE,
  config JSONB NOT NULL,
  environment_vars JSONB NOT NULL,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  created_at TIMESTAMP NOT NULL,

  CONSTRAINT deployment_revisions_number_key UNIQUE (deployment_id, number)
);
COMMENT ON TABLE deployment_revisions IS
  'What each deployment ran, and how: a row a change, never edited, so that it can be gone back to. workflow_id is the '
  'version that is run; for an agent it is one made for it, because an execution is always one of a workflow.';

ALTER TABLE counter_deltas
  DROP CONSTRAINT counter_deltas_kind_check,
  ADD CONSTRAINT counter_deltas_kind_check CHECK (kind IN ('workflow', 'agent', 'deployment'));

-- The executions of a deployment, newest first. The others are not in it.
CREATE INDEX idx_executions_deployment
  ON executions((trigger_data -> 'deployment' ->> 'id'), created_at DESC)
  WHERE trigger_data -> 'deployment' IS NOT NULL;
