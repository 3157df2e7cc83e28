-- How often an agent runs at once, over all workers.

CREATE TABLE agent_permits (
  agent_id UUID NOT NULL,
  worker_id UUID NOT NULL,
  granted INTEGER NOT NULL,
  wanted INTEGER NOT NULL,
  waiting_since TIMESTAMP,

  CONSTRAINT agent_permits_pkey PRIMARY KEY (agent_id, worker_id)
);
COMMENT ON TABLE agent_permits IS
  'How many attempts of an agent with max_concurrent_executions each worker may run at once. Written when that changes, '
  'not by each attempt; rows of workers that are marked dead count for nothing. No foreign keys: a permit must lock '
  'neither its agent nor its worker.';
