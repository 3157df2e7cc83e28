DROP TABLE step_parts;
