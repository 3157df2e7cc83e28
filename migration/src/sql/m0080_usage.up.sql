-- What language models used, and how much they may.

CREATE TABLE model_usage (
  execution_id UUID NOT NULL,
  path TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  agent_id UUID NOT NULL,
  provider VARCHAR(50) NOT NULL,
  model TEXT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  nano_usd BIGINT,
  price_version VARCHAR(50),
  recorded_at TIMESTAMP NOT NULL,

  CONSTRAINT model_usage_pkey PRIMARY KEY (execution_id, path, key)
);
COMMENT ON TABLE model_usage IS
  'What each turn of a model used and cost, written with the part of the step that it is. No foreign keys, as in '
  'step_parts, with which it is deleted: the sums stay.';
COMMENT ON COLUMN model_usage.nano_usd IS
  'The cost in nano-dollars by the table of prices of price_version; NULL if that had no price for the model.';

CREATE TABLE usage_days (
  user_id UUID NOT NULL,
  day DATE NOT NULL,
  agent_name TEXT NOT NULL,
  workflow_id UUID NOT NULL,
  provider VARCHAR(50) NOT NULL,
  model TEXT NOT NULL,
  calls BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  nano_usd BIGINT NOT NULL,
  unpriced_calls BIGINT NOT NULL,

  CONSTRAINT usage_days_pkey PRIMARY KEY (user_id, day, agent_name, workflow_id, provider, model)
);
COMMENT ON TABLE usage_days IS
  'The sums of model_usage by day (UTC), written in the same commits: budgets are held against them, and they outlive '
  'executions, agents, workflows and users, so they have no foreign keys.';

CREATE TABLE usage_executions (
  execution_id UUID NOT NULL,
  calls BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  nano_usd BIGINT NOT NULL,
  unpriced_calls BIGINT NOT NULL,

  CONSTRAINT usage_executions_pkey PRIMARY KEY (execution_id)
);
COMMENT ON TABLE usage_executions IS
  'The sums of model_usage of an execution and of all that it started, written in the same commits.';

CREATE TABLE budgets (
  id UUID NOT NULL,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  scope VARCHAR(20) NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  unit VARCHAR(20) NOT NULL,
  period VARCHAR(20) NOT NULL,
  amount BIGINT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  updated_at TIMESTAMP NOT NULL,

  CONSTRAINT budgets_pkey PRIMARY KEY (id),
  CONSTRAINT uq_budgets UNIQUE (user_id, scope, subject, unit, period),
  CONSTRAINT budgets_scope_check CHECK (scope IN ('user', 'agent', 'execution')),
  CONSTRAINT budgets_unit_check CHECK (unit IN ('tokens', 'usd')),
  CONSTRAINT budgets_period_check CHECK (period IN ('day', 'month', 'total')),
  CONSTRAINT budgets_amount_check CHECK (amount >= 0)
);
CREATE INDEX idx_budgets_of_executions ON budgets(subject) WHERE scope = 'execution';
COMMENT ON TABLE budgets IS
  'How much models may use for a user, an agent of a name (the subject) or an execution (the subject is its id). What '
  'was used is no column: it is the sum of the facts.';
COMMENT ON COLUMN budgets.amount IS 'Tokens, or nano-dollars where the unit is usd.';

CREATE TABLE budget_reservations (
  budget_id UUID NOT NULL REFERENCES budgets(id) ON DELETE CASCADE,
  execution_id UUID NOT NULL,
  path TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  amount BIGINT NOT NULL,

  CONSTRAINT budget_reservations_pkey PRIMARY KEY (budget_id, execution_id, path, key)
);
CREATE INDEX idx_budget_reservations_of_turns ON budget_reservations(execution_id, path, key);
COMMENT ON TABLE budget_reservations IS
  'What a turn that is under way may use of a budget. It goes when the turn is recorded, and counts for nothing once '
  'its execution has ended.';

CREATE TABLE budget_waits (
  budget_id UUID NOT NULL REFERENCES budgets(id) ON DELETE CASCADE,
  execution_id UUID NOT NULL REFERENCES executions(id) ON DELETE CASCADE,

  CONSTRAINT budget_waits_pkey PRIMARY KEY (budget_id, execution_id)
);
CREATE INDEX idx_budget_waits_of_executions ON budget_waits(execution_id);
COMMENT ON TABLE budget_waits IS
  'Executions that were short of a budget: they are woken when it is set anew.';
