DROP INDEX idx_executions_deployment;
DELETE FROM counter_deltas WHERE kind = 'deployment';
ALTER TABLE counter_deltas
  DROP CONSTRAINT counter_deltas_kind_check,
  ADD CONSTRAINT counter_deltas_kind_check CHECK (kind IN ('workflow', 'agent'));
DROP TABLE deployment_revisions;
DROP INDEX uq_deployments_name;
ALTER TABLE deployments DROP COLUMN revision, DROP COLUMN total_response_time_ms;
