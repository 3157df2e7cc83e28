//! The migrated schema against the DDL of the specification, which lies beside this file as it was written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in a helper")]

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, PgConnection};
use turbocat_testkit::postgres::TestDatabase;

/// Columns that the specification's model requires, although its DDL lets them be NULL.
const REQUIRED: [(&str, &[&str]); 10] = [
    ("users", &["is_active", "email_verified", "preferences"]),
    (
        "agents",
        &[
            "capabilities",
            "parameters",
            "total_executions",
            "successful_executions",
            "failed_executions",
            "avg_execution_time_ms",
            "tags",
            "is_public",
            "is_template",
        ],
    ),
    (
        "workflows",
        &[
            "trigger_config",
            "schedule_enabled",
            "schedule_timezone",
            "total_executions",
            "successful_executions",
            "failed_executions",
            "avg_execution_time_ms",
            "tags",
            "is_public",
        ],
    ),
    (
        "workflow_steps",
        &["config", "inputs", "outputs", "depends_on", "retry_count", "retry_delay_ms", "timeout_ms", "on_error"],
    ),
    ("executions", &["trigger_data", "input_data", "output_data", "steps_completed", "steps_failed", "steps_total"]),
    ("execution_logs", &["metadata"]),
    ("templates", &["tags", "is_official", "is_public", "usage_count", "rating_average", "rating_count"]),
    (
        "deployments",
        &[
            "config",
            "environment_vars",
            "allocated_memory_mb",
            "allocated_cpu_shares",
            "health_status",
            "total_requests",
            "total_errors",
            "avg_response_time_ms",
        ],
    ),
    ("api_keys", &["scopes", "is_active", "usage_count", "rate_limit_per_minute"]),
    ("audit_logs", &["changes", "metadata"]),
];

const COLUMNS: &str = "
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           coalesce(pg_get_expr(d.adbin, d.adrelid), ''), coalesce(col_description(c.oid, a.attnum), '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped";

const CONSTRAINTS: &str = "
    SELECT c.relname::text, k.conname::text, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = 'public'::regnamespace";

const INDEXES: &str = "SELECT tablename::text, indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'";

const TABLES: &str = "
    SELECT relname::text, coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";

/// What a column is.
#[derive(Debug, PartialEq, Eq)]
struct Column {
    kind: String,
    required: bool,
    default: String,
    comment: String,
}

type Named<T> = BTreeMap<(String, String), T>;

/// What the catalog says of a database.
struct Catalog {
    columns: Named<Column>,
    constraints: Named<String>,
    indexes: Named<String>,
    tables: BTreeMap<String, String>,
}

impl Catalog {
    async fn read(url: &str) -> Self {
        let mut db = PgConnection::connect(url).await.unwrap();
        let columns: Vec<(String, String, String, bool, String, String)> =
            sqlx::query_as(COLUMNS).fetch_all(&mut db).await.unwrap();
        let columns = columns.into_iter().map(|(table, name, kind, required, default, comment)| {
            ((table, name), Column { kind, required, default, comment })
        });
        let columns = columns.collect();
        let constraints = named(&mut db, CONSTRAINTS).await;
        let indexes = named(&mut db, INDEXES).await;
        let tables: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&mut db).await.unwrap();
        db.close().await.unwrap();
        Self { columns, constraints, indexes, tables: tables.into_iter().collect() }
    }
}

async fn named(db: &mut PgConnection, sql: &'static str) -> Named<String> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(sql).fetch_all(db).await.unwrap();
    rows.into_iter().map(|(table, name, definition)| ((table, name), definition)).collect()
}

/// The catalog of the specification, and that of the migrations.
async fn catalogs() -> (Catalog, Catalog) {
    let (specified, migrated) = (TestDatabase::create_empty().await.unwrap(), TestDatabase::create().await.unwrap());
    let mut db = PgConnection::connect(specified.url()).await.unwrap();
    sqlx::raw_sql(include_str!("specification.sql")).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    (Catalog::read(specified.url()).await, Catalog::read(migrated.url()).await)
}

#[tokio::test]
async fn every_specified_column_is_there_as_specified() {
    let (specification, schema) = catalogs().await;
    let required: BTreeSet<_> =
        REQUIRED.iter().flat_map(|(table, names)| names.iter().map(move |name| (*table, *name))).collect();
    assert_eq!(specification.columns.len(), 170);
    assert!(required.len() > 50);
    for ((table, name), wanted) in &specification.columns {
        let found = &schema.columns.get(&(table.clone(), name.clone()));
        let facts = found.map(|column| (column.kind.as_str(), column.default.as_str(), column.required));
        let must = wanted.required || required.contains(&(table.as_str(), name.as_str()));
        assert_eq!(facts, Some((wanted.kind.as_str(), wanted.default.as_str(), must)), "{table}.{name}");
    }
}

#[tokio::test]
async fn every_specified_constraint_and_index_is_there_as_specified() {
    let (specification, schema) = catalogs().await;
    assert!(specification.constraints.len() > 30);
    assert!(specification.indexes.len() > 50);
    for (key, definition) in &specification.constraints {
        assert_eq!(schema.constraints.get(key), Some(definition), "{key:?}");
    }
    for (key, definition) in &specification.indexes {
        assert_eq!(schema.indexes.get(key), Some(definition), "{key:?}");
    }
}

#[tokio::test]
async fn what_is_beyond_the_specification_says_why_it_exists() {
    let (specification, schema) = catalogs().await;
    let mut beyond = 0;
    for (table, comment) in schema.tables.iter().filter(|(table, _)| table.as_str() != "seaql_migrations") {
        let specified = specification.tables.contains_key(table);
        assert!(specified || !comment.is_empty(), "table {table} has no comment");
        beyond += u32::from(!specified);
    }
    for (key, column) in &schema.columns {
        let specified = specification.columns.contains_key(key) || !specification.tables.contains_key(&key.0);
        assert!(specified || !column.comment.is_empty(), "column {key:?} has no comment");
        beyond += u32::from(!specified);
    }
    assert!(beyond >= 17, "{beyond}");
}

#[tokio::test]
async fn no_time_has_a_zone() {
    let (_, schema) = catalogs().await;
    let zoned: Vec<_> = schema.columns.iter().filter(|(_, column)| column.kind.contains("with time zone")).collect();
    assert!(zoned.is_empty(), "{zoned:?}");
}
