-- The audit log as a chain: each entry is sealed with a hash over itself and over the entry before it.

CREATE TABLE audit_links (
  seq BIGINT PRIMARY KEY,
  audit_log_id UUID NOT NULL UNIQUE,
  user_id UUID,
  entry_hash BYTEA NOT NULL,
  hash BYTEA NOT NULL
);
COMMENT ON TABLE audit_links IS
  'One row for each entry of the audit log, in the order in which they were committed. No foreign keys: a link outlives '
  'the entry that somebody deletes, and tells of it.';
COMMENT ON COLUMN audit_links.user_id IS
  'Who did it, also when the account is gone and the entry has lost its reference.';
COMMENT ON COLUMN audit_links.entry_hash IS
  'SHA-256 of the entry, written as a JSON array of its columns.';
COMMENT ON COLUMN audit_links.hash IS
  'SHA-256 of the hash of the link before, of seq as eight bytes, and of entry_hash.';

CREATE TABLE audit_head (
  is_only BOOLEAN PRIMARY KEY DEFAULT true,
  seq BIGINT NOT NULL,
  hash BYTEA NOT NULL,

  CONSTRAINT audit_head_is_only_check CHECK (is_only)
);
COMMENT ON TABLE audit_head IS
  'The last link. Who adds one holds this row until its commit, so that links have the order of commits and no gaps.';
INSERT INTO audit_head (seq, hash) VALUES (0, sha256(''));

CREATE FUNCTION audit_entry_hash(entry audit_logs) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(jsonb_build_array(
    entry.id, entry.user_id, entry.action, entry.resource_type, entry.resource_id, entry.changes, entry.metadata,
    entry.ip_address, entry.user_agent, entry.created_at
  )::text, 'UTF8'))
$$;

CREATE FUNCTION audit_seal(entry audit_logs) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  sealed bytea := audit_entry_hash(entry);
BEGIN
  WITH head AS (
    UPDATE audit_head SET seq = seq + 1, hash = sha256(hash || int8send(seq + 1) || sealed) RETURNING seq, hash
  )
  INSERT INTO audit_links (seq, audit_log_id, user_id, entry_hash, hash)
  SELECT head.seq, entry.id, entry.user_id, sealed, head.hash FROM head;
END
$$;

-- What is in the log already.
DO $$
DECLARE
  entry audit_logs;
BEGIN
  FOR entry IN SELECT * FROM audit_logs ORDER BY created_at, id LOOP
    PERFORM audit_seal(entry);
  END LOOP;
END
$$;

CREATE FUNCTION audit_logs_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM audit_seal(NEW);
  RETURN NULL;
END
$$;

-- Deferred to the commit: the head is held for that alone, and behind it nothing else is waited for, so that no two
-- transactions can wait for one another.
CREATE CONSTRAINT TRIGGER audit_logs_seal AFTER INSERT ON audit_logs DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION audit_logs_seal();

-- The chain is written by that trigger alone.
CREATE FUNCTION audit_chain_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is written with the audit log alone: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER audit_links_no_insert BEFORE INSERT ON audit_links FOR EACH ROW
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit_chain_refuse();
CREATE TRIGGER audit_links_no_change BEFORE UPDATE OR DELETE ON audit_links FOR EACH ROW
  EXECUTE FUNCTION audit_chain_refuse();
CREATE TRIGGER audit_links_no_truncate BEFORE TRUNCATE ON audit_links FOR EACH STATEMENT
  EXECUTE FUNCTION audit_chain_refuse();
CREATE TRIGGER audit_head_no_update BEFORE UPDATE ON audit_head FOR EACH ROW
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION audit_chain_refuse();
CREATE TRIGGER audit_head_no_change BEFORE INSERT OR DELETE ON audit_head FOR EACH ROW
  EXECUTE FUNCTION audit_chain_refuse();
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT
  EXECUTE FUNCTION audit_chain_refuse();
