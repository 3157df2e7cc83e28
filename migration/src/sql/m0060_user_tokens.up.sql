-- What is sent to a user's address, to be brought back by who has read the mail.

CREATE TABLE user_tokens (
  id UUID PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  purpose VARCHAR(32) NOT NULL,
  token_hash VARCHAR(64) NOT NULL UNIQUE,
  email VARCHAR(255) NOT NULL,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  used_at TIMESTAMP,

  CONSTRAINT user_tokens_purpose_check CHECK (purpose IN ('password_reset', 'email_verification'))
);
COMMENT ON TABLE user_tokens IS
  'Tokens that prove an address or set a new password, each once. Of the token that the mail holds there is only the '
  'SHA-256 here: who reads this table can do nothing with it. The address is the one that the mail went to: a token '
  'proves no other. Times are the database''s own.';
-- All that stand of a user are ended together, and counted before another one is made.
CREATE INDEX idx_user_tokens_user_id ON user_tokens(user_id, purpose) WHERE used_at IS NULL;
CREATE INDEX idx_user_tokens_expires_at ON user_tokens(expires_at);
