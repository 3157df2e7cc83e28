-- In the reverse order of their references; no CASCADE, so that nothing unknown goes with them.
DROP TABLE audit_logs;
DROP TABLE api_keys;
DROP TABLE deployments;
DROP TABLE templates;
DROP TABLE execution_logs;
DROP TABLE executions;
DROP TABLE workflow_steps;
DROP TABLE workflows;
DROP TABLE agents;
DROP TABLE users;
