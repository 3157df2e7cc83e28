DROP TRIGGER executions_release_schedules ON executions;
DROP FUNCTION executions_release_schedules();
DROP TABLE schedule_ticks;
DROP TABLE schedules;
