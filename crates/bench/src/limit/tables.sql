-- A journal and its executions with the columns that a recovery cannot do without, and nothing else.
DROP TABLE IF EXISTS limit_journal, limit_executions;
DROP SEQUENCE IF EXISTS limit_runs;
CREATE TABLE limit_journal (
    run bigint NOT NULL,
    seq int NOT NULL,
    step int NOT NULL,
    kind smallint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    output jsonb,
    PRIMARY KEY (run, seq)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE TABLE limit_executions (
    id bigint PRIMARY KEY,
    owner int,
    status smallint NOT NULL,
    done int NOT NULL DEFAULT 0,
    output jsonb
) WITH (fillfactor = 60);
CREATE INDEX limit_executions_active ON limit_executions (owner) WHERE status < 2;
CREATE SEQUENCE limit_runs;
