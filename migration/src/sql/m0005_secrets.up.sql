-- What agents show to other sides, sealed.

CREATE TABLE secrets (
  id UUID PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name VARCHAR(64) NOT NULL,
  hosts TEXT[] NOT NULL,
  key_id VARCHAR(64) NOT NULL,
  sealed BYTEA NOT NULL,
  created_at TIMESTAMP NOT NULL,
  updated_at TIMESTAMP NOT NULL,

  CONSTRAINT secrets_user_id_name_key UNIQUE (user_id, name)
);
COMMENT ON TABLE secrets IS
  'Secrets of users. The values are sealed under a key that is not in this database, and bound to their owner and name: '
  'who reads this table learns names and lengths, and a value that is moved to another row cannot be opened.';
CREATE INDEX idx_secrets_key_id ON secrets(key_id);
