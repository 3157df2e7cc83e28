-- Sets a secret: one that is there keeps its id and its age, so that whoever reads the audit log sees one thing that
-- was changed and not two. Two who set one name at once take turns, and the last one counts.
INSERT INTO secrets AS standing (id, user_id, name, hosts, key_id, sealed, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (user_id, name) DO UPDATE
  SET hosts = excluded.hosts, key_id = excluded.key_id, sealed = excluded.sealed, updated_at = excluded.updated_at
RETURNING id
