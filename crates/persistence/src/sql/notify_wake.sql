-- A hint to all processes. Never part of a hot commit: NOTIFY makes commits wait for one another.
SELECT pg_notify('turbocat_wake', '')
