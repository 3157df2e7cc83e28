DROP TABLE agent_permits;
