-- What an attempt of a step does on its way.

CREATE TABLE step_parts (
  execution_id UUID NOT NULL,
  path TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  seq BIGINT GENERATED ALWAYS AS IDENTITY,
  kind VARCHAR(20) NOT NULL,
  data JSONB NOT NULL,
  recorded_at TIMESTAMP NOT NULL,

  CONSTRAINT step_parts_pkey PRIMARY KEY (execution_id, path, key),
  CONSTRAINT step_parts_kind_check CHECK (kind IN ('turn', 'call'))
);
COMMENT ON TABLE step_parts IS
  'The turns of language models and the calls of tools within steps: whoever runs a step again goes on behind the last. '
  'The first that is recorded under a key stays. No foreign keys, as in step_runs, with which they are deleted.';
