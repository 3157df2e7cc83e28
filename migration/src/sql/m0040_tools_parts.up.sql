-- What tools an MCP server had when a conversation began is a part of its step, too.

ALTER TABLE step_parts DROP CONSTRAINT step_parts_kind_check;
ALTER TABLE step_parts ADD CONSTRAINT step_parts_kind_check CHECK (kind IN ('turn', 'call', 'tools'));
