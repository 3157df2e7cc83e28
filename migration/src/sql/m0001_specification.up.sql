-- The ten tables of the specification.
--
-- The specification says each fact twice: as DDL (types, defaults, names of constraints and indexes) and as a
-- model that says which columns a row must have. This file is the DDL with the NOT NULLs of the model, so that
-- neither a reader of the DDL nor a reader of the model is surprised.
--
-- Times are TIMESTAMP in UTC: sessions set TimeZone=UTC, or NOW() would be the session's wall clock.

CREATE TABLE users (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  email VARCHAR(255) UNIQUE NOT NULL,
  password_hash VARCHAR(255),
  full_name VARCHAR(255),
  avatar_url TEXT,
  role VARCHAR(50) NOT NULL DEFAULT 'user',
  is_active BOOLEAN NOT NULL DEFAULT true,
  email_verified BOOLEAN NOT NULL DEFAULT false,
  email_verified_at TIMESTAMP,
  last_login_at TIMESTAMP,
  preferences JSONB NOT NULL DEFAULT '{}',
  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),
  deleted_at TIMESTAMP,

  CONSTRAINT users_role_check CHECK (role IN ('admin', 'user', 'agent'))
);

CREATE INDEX idx_users_email ON users(email) WHERE deleted_at IS NULL;
CREATE INDEX idx_users_role ON users(role) WHERE deleted_at IS NULL;
CREATE INDEX idx_users_created_at ON users(created_at DESC);

CREATE TABLE agents (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(255) NOT NULL,
  description TEXT,
  type VARCHAR(50) NOT NULL,
  status VARCHAR(50) NOT NULL DEFAULT 'draft',
  version INTEGER NOT NULL DEFAULT 1,
  parent_id UUID REFERENCES agents(id) ON DELETE SET NULL,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,

  -- Configuration
  config JSONB NOT NULL DEFAULT '{}',
  capabilities JSONB NOT NULL DEFAULT '[]',
  parameters JSONB NOT NULL DEFAULT '{}',

  -- Resource limits
  max_execution_time INTEGER DEFAULT 300,
  max_memory_mb INTEGER DEFAULT 512,
  max_concurrent_executions INTEGER DEFAULT 1,

  -- Metrics
  total_executions INTEGER NOT NULL DEFAULT 0,
  successful_executions INTEGER NOT NULL DEFAULT 0,
  failed_executions INTEGER NOT NULL DEFAULT 0,
  avg_execution_time_ms INTEGER NOT NULL DEFAULT 0,

  -- Metadata
  tags TEXT[] NOT NULL DEFAULT '{}',
  is_public BOOLEAN NOT NULL DEFAULT false,
  is_template BOOLEAN NOT NULL DEFAULT false,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),
  deleted_at TIMESTAMP,

  CONSTRAINT agents_type_check CHECK (type IN ('code', 'api', 'llm', 'data', 'workflow')),
  CONSTRAINT agents_status_check CHECK (status IN ('draft', 'active', 'inactive', 'archived'))
);

CREATE INDEX idx_agents_user_id ON agents(user_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_agents_type ON agents(type) WHERE deleted_at IS NULL;
CREATE INDEX idx_agents_status ON agents(status) WHERE deleted_at IS NULL;
CREATE INDEX idx_agents_is_public ON agents(is_public) WHERE deleted_at IS NULL AND is_public = true;
CREATE INDEX idx_agents_tags ON agents USING GIN(tags);
CREATE INDEX idx_agents_created_at ON agents(created_at DESC);

CREATE TABLE workflows (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(255) NOT NULL,
  description TEXT,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  status VARCHAR(50) NOT NULL DEFAULT 'draft',
  version INTEGER NOT NULL DEFAULT 1,
  parent_id UUID REFERENCES workflows(id) ON DELETE SET NULL,

  -- Workflow definition
  definition JSONB NOT NULL DEFAULT '{}',
  trigger_config JSONB NOT NULL DEFAULT '{}',

  -- Scheduling
  schedule_enabled BOOLEAN NOT NULL DEFAULT false,
  schedule_cron VARCHAR(100),
  schedule_timezone VARCHAR(50) NOT NULL DEFAULT 'UTC',

  -- Metrics
  total_executions INTEGER NOT NULL DEFAULT 0,
  successful_executions INTEGER NOT NULL DEFAULT 0,
  failed_executions INTEGER NOT NULL DEFAULT 0,
  avg_execution_time_ms INTEGER NOT NULL DEFAULT 0,
  last_execution_at TIMESTAMP,

  -- Metadata
  tags TEXT[] NOT NULL DEFAULT '{}',
  is_public BOOLEAN NOT NULL DEFAULT false,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),
  deleted_at TIMESTAMP,

  CONSTRAINT workflows_status_check CHECK (status IN ('draft', 'active', 'inactive', 'archived'))
);

CREATE INDEX idx_workflows_user_id ON workflows(user_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_workflows_status ON workflows(status) WHERE deleted_at IS NULL;
CREATE INDEX idx_workflows_schedule_enabled ON workflows(schedule_enabled) WHERE deleted_at IS NULL AND schedule_enabled = true;
CREATE INDEX idx_workflows_tags ON workflows USING GIN(tags);
CREATE INDEX idx_workflows_created_at ON workflows(created_at DESC);

CREATE TABLE workflow_steps (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  workflow_id UUID NOT NULL REFERENCES workflows(id) ON DELETE CASCADE,
  agent_id UUID REFERENCES agents(id) ON DELETE SET NULL,

  step_key VARCHAR(100) NOT NULL,
  step_name VARCHAR(255) NOT NULL,
  step_type VARCHAR(50) NOT NULL,
  position INTEGER NOT NULL,

  -- Configuration
  config JSONB NOT NULL DEFAULT '{}',
  inputs JSONB NOT NULL DEFAULT '{}',
  outputs JSONB NOT NULL DEFAULT '{}',

  -- Dependencies
  depends_on TEXT[] NOT NULL DEFAULT '{}',

  -- Error handling
  retry_count INTEGER NOT NULL DEFAULT 0,
  retry_delay_ms INTEGER NOT NULL DEFAULT 1000,
  timeout_ms INTEGER NOT NULL DEFAULT 30000,
  on_error VARCHAR(50) NOT NULL DEFAULT 'fail',

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),

  CONSTRAINT workflow_steps_type_check CHECK (step_type IN ('agent', 'condition', 'loop', 'parallel', 'wait')),
  CONSTRAINT workflow_steps_on_error_check CHECK (on_error IN ('fail', 'continue', 'retry')),
  CONSTRAINT workflow_steps_unique_key UNIQUE (workflow_id, step_key)
);

CREATE INDEX idx_workflow_steps_workflow_id ON workflow_steps(workflow_id);
CREATE INDEX idx_workflow_steps_agent_id ON workflow_steps(agent_id);
CREATE INDEX idx_workflow_steps_position ON workflow_steps(workflow_id, position);

CREATE TABLE executions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  workflow_id UUID NOT NULL REFERENCES workflows(id) ON DELETE CASCADE,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,

  status VARCHAR(50) NOT NULL DEFAULT 'pending',
  trigger_type VARCHAR(50) NOT NULL,
  trigger_data JSONB NOT NULL DEFAULT '{}',

  -- Execution details
  started_at TIMESTAMP,
  completed_at TIMESTAMP,
  duration_ms INTEGER,

  -- Input/Output
  input_data JSONB NOT NULL DEFAULT '{}',
  output_data JSONB NOT NULL DEFAULT '{}',

  -- Results
  steps_completed INTEGER NOT NULL DEFAULT 0,
  steps_failed INTEGER NOT NULL DEFAULT 0,
  steps_total INTEGER NOT NULL DEFAULT 0,

  -- Error information
  error_message TEXT,
  error_stack TEXT,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),

  CONSTRAINT executions_status_check CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled', 'timeout')),
  CONSTRAINT executions_trigger_check CHECK (trigger_type IN ('manual', 'scheduled', 'api', 'webhook', 'event'))
);

CREATE INDEX idx_executions_workflow_id ON executions(workflow_id);
CREATE INDEX idx_executions_user_id ON executions(user_id);
CREATE INDEX idx_executions_status ON executions(status);
CREATE INDEX idx_executions_created_at ON executions(created_at DESC);
CREATE INDEX idx_executions_completed_at ON executions(completed_at DESC) WHERE completed_at IS NOT NULL;

CREATE TABLE execution_logs (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  execution_id UUID NOT NULL REFERENCES executions(id) ON DELETE CASCADE,
  workflow_step_id UUID REFERENCES workflow_steps(id) ON DELETE SET NULL,

  level VARCHAR(20) NOT NULL DEFAULT 'info',
  message TEXT NOT NULL,
  metadata JSONB NOT NULL DEFAULT '{}',

  -- Step execution details
  step_key VARCHAR(100),
  step_status VARCHAR(50),
  step_started_at TIMESTAMP,
  step_completed_at TIMESTAMP,
  step_duration_ms INTEGER,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),

  CONSTRAINT execution_logs_level_check CHECK (level IN ('debug', 'info', 'warn', 'error', 'fatal')),
  CONSTRAINT execution_logs_step_status_check CHECK (step_status IN ('pending', 'running', 'completed', 'failed', 'skipped'))
);

CREATE INDEX idx_execution_logs_execution_id ON execution_logs(execution_id, created_at);
CREATE INDEX idx_execution_logs_level ON execution_logs(level) WHERE level IN ('error', 'fatal');
CREATE INDEX idx_execution_logs_created_at ON execution_logs(created_at DESC);

CREATE TABLE templates (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(255) NOT NULL,
  description TEXT,
  category VARCHAR(100) NOT NULL,
  type VARCHAR(50) NOT NULL,

  user_id UUID REFERENCES users(id) ON DELETE SET NULL,

  -- Template content
  template_data JSONB NOT NULL,

  -- Metadata
  tags TEXT[] NOT NULL DEFAULT '{}',
  is_official BOOLEAN NOT NULL DEFAULT false,
  is_public BOOLEAN NOT NULL DEFAULT false,

  -- Usage stats
  usage_count INTEGER NOT NULL DEFAULT 0,
  rating_average DECIMAL(3,2) NOT NULL DEFAULT 0.00,
  rating_count INTEGER NOT NULL DEFAULT 0,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),
  deleted_at TIMESTAMP,

  CONSTRAINT templates_type_check CHECK (type IN ('agent', 'workflow', 'step')),
  CONSTRAINT templates_rating_check CHECK (rating_average >= 0 AND rating_average <= 5)
);

CREATE INDEX idx_templates_category ON templates(category) WHERE deleted_at IS NULL;
CREATE INDEX idx_templates_type ON templates(type) WHERE deleted_at IS NULL;
CREATE INDEX idx_templates_is_official ON templates(is_official) WHERE deleted_at IS NULL AND is_official = true;
CREATE INDEX idx_templates_is_public ON templates(is_public) WHERE deleted_at IS NULL AND is_public = true;
CREATE INDEX idx_templates_tags ON templates USING GIN(tags);
CREATE INDEX idx_templates_usage_count ON templates(usage_count DESC);

CREATE TABLE deployments (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(255) NOT NULL,
  description TEXT,

  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  workflow_id UUID REFERENCES workflows(id) ON DELETE SET NULL,
  agent_id UUID REFERENCES agents(id) ON DELETE SET NULL,

  environment VARCHAR(50) NOT NULL DEFAULT 'production',
  status VARCHAR(50) NOT NULL DEFAULT 'stopped',

  -- Configuration
  config JSONB NOT NULL DEFAULT '{}',
  environment_vars JSONB NOT NULL DEFAULT '{}',

  -- Endpoints
  endpoint_url TEXT,
  api_key_hash VARCHAR(255),

  -- Resource allocation
  allocated_memory_mb INTEGER NOT NULL DEFAULT 512,
  allocated_cpu_shares INTEGER NOT NULL DEFAULT 1024,

  -- Lifecycle
  deployed_at TIMESTAMP,
  last_health_check_at TIMESTAMP,
  health_status VARCHAR(50) NOT NULL DEFAULT 'unknown',

  -- Metrics
  total_requests INTEGER NOT NULL DEFAULT 0,
  total_errors INTEGER NOT NULL DEFAULT 0,
  avg_response_time_ms INTEGER NOT NULL DEFAULT 0,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),
  deleted_at TIMESTAMP,

  CONSTRAINT deployments_environment_check CHECK (environment IN ('development', 'staging', 'production')),
  CONSTRAINT deployments_status_check CHECK (status IN ('stopped', 'starting', 'running', 'stopping', 'failed', 'maintenance')),
  CONSTRAINT deployments_health_check CHECK (health_status IN ('unknown', 'healthy', 'unhealthy', 'degraded')),
  CONSTRAINT deployments_target_check CHECK (
    (workflow_id IS NOT NULL AND agent_id IS NULL) OR
    (workflow_id IS NULL AND agent_id IS NOT NULL)
  )
);

CREATE INDEX idx_deployments_user_id ON deployments(user_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_deployments_workflow_id ON deployments(workflow_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_deployments_agent_id ON deployments(agent_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_deployments_status ON deployments(status) WHERE deleted_at IS NULL;
CREATE INDEX idx_deployments_environment ON deployments(environment) WHERE deleted_at IS NULL;

CREATE TABLE api_keys (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,

  name VARCHAR(255) NOT NULL,
  key_hash VARCHAR(255) NOT NULL UNIQUE,
  key_prefix VARCHAR(20) NOT NULL,

  scopes TEXT[] NOT NULL DEFAULT '{}',

  is_active BOOLEAN NOT NULL DEFAULT true,
  expires_at TIMESTAMP,
  last_used_at TIMESTAMP,

  usage_count INTEGER NOT NULL DEFAULT 0,
  rate_limit_per_minute INTEGER NOT NULL DEFAULT 60,

  created_at TIMESTAMP NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMP NOT NULL DEFAULT NOW(),
  deleted_at TIMESTAMP
);

CREATE INDEX idx_api_keys_user_id ON api_keys(user_id) WHERE deleted_at IS NULL;
CREATE INDEX idx_api_keys_key_hash ON api_keys(key_hash) WHERE deleted_at IS NULL AND is_active = true;
CREATE INDEX idx_api_keys_key_prefix ON api_keys(key_prefix) WHERE deleted_at IS NULL;
CREATE INDEX idx_api_keys_expires_at ON api_keys(expires_at) WHERE deleted_at IS NULL AND expires_at IS NOT NULL;

CREATE TABLE audit_logs (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID REFERENCES users(id) ON DELETE SET NULL,

  action VARCHAR(100) NOT NULL,
  resource_type VARCHAR(50) NOT NULL,
  resource_id UUID,

  changes JSONB NOT NULL DEFAULT '{}',
  metadata JSONB NOT NULL DEFAULT '{}',

  ip_address INET,
  user_agent TEXT,

  created_at TIMESTAMP NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_audit_logs_user_id ON audit_logs(user_id);
CREATE INDEX idx_audit_logs_resource ON audit_logs(resource_type, resource_id);
CREATE INDEX idx_audit_logs_action ON audit_logs(action);
CREATE INDEX idx_audit_logs_created_at ON audit_logs(created_at DESC);
