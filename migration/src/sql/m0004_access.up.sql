-- Who asks, how often, and whether it is the first time.

CREATE TABLE sessions (
  id UUID PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  token_hash VARCHAR(64) NOT NULL UNIQUE,
  ip_address INET,
  user_agent TEXT,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  ended_at TIMESTAMP
);
COMMENT ON TABLE sessions IS
  'Logins with a password. Of the token that the browser holds there is only the SHA-256 here: who reads this table '
  'cannot log in with it.';
CREATE INDEX idx_sessions_user_id ON sessions(user_id, created_at DESC) WHERE ended_at IS NULL;
CREATE INDEX idx_sessions_expires_at ON sessions(expires_at);

CREATE TABLE idempotency_keys (
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  key VARCHAR(255) NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  resource_id UUID NOT NULL,
  answer JSONB,
  created_at TIMESTAMP NOT NULL,

  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
);
COMMENT ON TABLE idempotency_keys IS
  'Requests that may be sent again. The id of what a request makes is fixed here before it is made, so that a repeated '
  'request makes the same thing and not another one, also after a crash in between.';
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys(created_at);

CREATE TABLE rate_limits (
  subject VARCHAR(200) PRIMARY KEY,
  spent_until TIMESTAMP NOT NULL,
  granted BIGINT NOT NULL
);
COMMENT ON TABLE rate_limits IS
  'How far the permits of a rate are spent ahead of time: a bucket that is one moment, moved on with each permit, and '
  'one row that all processes share. What lies in the past says nothing and is deleted.';
CREATE INDEX idx_rate_limits_spent_until ON rate_limits(spent_until);
