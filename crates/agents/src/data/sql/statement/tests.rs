//! Queries, honest and hostile.

use super::*;

fn refusal(query: &str) -> String {
    canonical(query).expect_err(query).join("; ")
}

#[test]
fn queries_are_let_through_without_their_comments() {
    let query = "WITH big AS (SELECT * FROM orders WHERE total >= 10.5 -- large\n) /* a /* b */ c */\n\
                 SELECT b.\"Name\", count(*) FILTER (WHERE b.total::numeric(10,2) > 1e3) AS n, 'it''s -- no comment'\n\
                 FROM big b, (VALUES (1, 'x')) AS v(a, b) WHERE b.id IN (SELECT id FROM other) GROUP BY 1";

    assert_eq!(
        canonical(query).unwrap(),
        "WITH big AS ( SELECT * FROM orders WHERE total >= 10.5 ) SELECT b . \"Name\" , count ( * ) FILTER ( WHERE b . total \
         :: numeric ( 10 , 2 ) > 1e3 ) AS n , 'it''s -- no comment' FROM big b , ( VALUES ( 1 , 'x' ) ) AS v ( a , b ) WHERE \
         b . id IN ( SELECT id FROM other ) GROUP BY 1"
    );
    assert_eq!(canonical("SELECT 1/*x*/+-- y\n2").unwrap(), "SELECT 1 + 2");
    assert_eq!(canonical("SELECT 1e-5,2E10-1_000,a.b1").unwrap(), "SELECT 1e-5 , 2E10 - 1_000 , a . b1");
    assert_eq!(canonical("select region, data->>'a' from t").unwrap(), "select region , data ->> 'a' from t");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let told = refusal("SELECT pg_sleep(10), cuont(*), set_config('role', 'x', true) FROM a; ");
    assert!(told.contains("`;`"), "{told}");
    let told = refusal("SELECT pg_sleep(10), cuont(*), set_config('role', 'x', true) FROM a");
    for part in ["names `pg_sleep`", "calls `cuont`", "did you mean `count`?", "calls `set_config`"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn what_is_no_query_or_looks_out_of_it_is_refused() {
    let refused = [
        "",
        "DELETE FROM orders",
        "COPY orders TO '/tmp/x'",
        "SET ROLE postgres",
        "RESET ROLE",
        "TABLE users",
        "EXPLAIN SELECT 1",
        "SELECT 1; RESET ROLE",
        "SELECT 1) x; DROP TABLE users; --",
        "SELECT (1",
        "SELECT $1",
        "SELECT $$x$$",
        "SELECT 'x",
        "SELECT \"x",
        "SELECT 1 /* x",
        "SELECT \\d",
        "WITH x AS (DELETE FROM users RETURNING 1) SELECT * FROM x",
        "WITH x AS (INSERT INTO users VALUES (1)) SELECT 1",
        "SELECT * INTO x FROM orders",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM \"pg_authid\"",
        "SELECT * FROM PG_AUTHID",
        "SELECT * FROM information_schema.tables",
        "SELECT current_setting('is_superuser')",
        "SELECT current_user",
        "SELECT user",
        "SELECT session_user",
        "SELECT \"set_config\"('role', 'x', false)",
        "SELECT pg_catalog.set_config('role', 'x', false)",
        "SELECT query_to_xml('select 1', true, true, '')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM dblink('', 'select 1') AS t(a int)",
        "SELECT 'users'::regclass",
        "SELECT regclass 'users'",
        "SELECT repeat('x', 1000000000)",
        "SELECT lpad('x', 1000000000)",
        "SELECT * FROM orders FOR UPDATE",
        "SELECT 1 OPERATOR(pg_catalog.+) 1",
        "SELECT version()",
        "SELECT now()",
        "SELECT x.sum(1) FROM x",
        "SELECT 1into x",
        "SELECT 1e5x",
        "SELECT 0x1F",
        "SELECT 1e",
        "SELECT txid_current()",
        "SELECT nextval('s')",
        "SELECT inet_server_addr()",
    ];
    for query in refused {
        assert!(canonical(query).is_err(), "{query}");
    }
    assert!(canonical(&format!("SELECT '{}'", "x".repeat(limits::SQL_BYTES_MAX))).is_err());
    // The depth of a query is the database's to bound: nothing here recurses.
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    assert!(canonical(&deep).is_ok());
}

#[test]
fn a_quote_that_is_written_twice_does_not_end_a_text() {
    assert_eq!(quoted("'a''b' c", '\''), Some(6));
    assert_eq!(quoted("'''' c", '\''), Some(4));
    assert_eq!(quoted("'a''", '\''), None);
    assert_eq!(quoted("\"ä\"\"\"", '"'), Some(6));
}
