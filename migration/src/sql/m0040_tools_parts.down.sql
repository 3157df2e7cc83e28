-- Who goes on with a conversation asks the server anew.
DELETE FROM step_parts WHERE kind = 'tools';
ALTER TABLE step_parts DROP CONSTRAINT step_parts_kind_check;
ALTER TABLE step_parts ADD CONSTRAINT step_parts_kind_check CHECK (kind IN ('turn', 'call'));
