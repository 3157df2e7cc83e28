-- What durability and capacity depend on, as the server sees it for this session.
SELECT current_setting('server_version') AS server_version,
       current_setting('fsync')::bool AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes')::bool AS full_page_writes,
       current_setting('max_connections')::int4 AS max_connections,
       current_setting('TimeZone') AS time_zone
