DROP TABLE budget_waits;
DROP TABLE budget_reservations;
DROP TABLE budgets;
DROP TABLE usage_executions;
DROP TABLE usage_days;
DROP TABLE model_usage;
