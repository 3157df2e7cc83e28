//! A `PostgreSQL` database of its own for each test.
//!
//! All tests of a machine share one throw-away server: that of `TURBOCAT_TEST_PG`, else one that the first test
//! starts and the last one to end stops. A database is a copy of a migrated template, which takes a tenth of a
//! second; the template is made once for each state of the migrations, whichever process comes first.

use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use turbocat_migration::MigrationError;
use turbocat_postgres::{Cluster, ClusterError, ClusterOptions, Installation, NotInstalled};

/// The variable with the address of a server whose databases these tests may create and drop.
const VARIABLE: &str = "TURBOCAT_TEST_PG";

/// Key of the lock under which the template is made. Locks are a database's own: it is taken on the maintenance one.
const TEMPLATE_LOCK: i64 = 0x7475_7262_6361_7402;

/// Seconds after which a database is taken for one that a killed test left.
const STALE_S: f64 = 3_600.0;

/// Why a test got no database.
#[derive(Debug, thiserror::Error)]
pub enum TestDatabaseError {
    /// There is no `PostgreSQL`.
    #[error(transparent)]
    NotInstalled(#[from] NotInstalled),
    /// The shared server could not be started.
    #[error("the test server could not be opened")]
    Cluster(#[from] ClusterError),
    /// The thread that opened it failed.
    #[error("the test server was not opened to the end")]
    Interrupted(#[from] tokio::task::JoinError),
    /// The template could not be migrated.
    #[error("the template could not be migrated")]
    Migration(#[from] MigrationError),
    /// The server refused a statement, or could not be reached.
    #[error("the test server refused")]
    Database(#[from] sqlx::Error),
}

/// A database that only one test uses. It is dropped with this value, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    server: &'static Server,
    dropped: bool,
}

impl TestDatabase {
    /// Makes a database with the current schema and no rows.
    ///
    /// # Errors
    ///
    /// A [`TestDatabaseError`] if there is no server, or it refuses.
    pub async fn create() -> Result<Self, TestDatabaseError> {
        let server = Server::get().await?;
        let template = server.template().await?;
        Self::copy(server, template).await
    }

    /// Makes a database with nothing in it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn create_empty() -> Result<Self, TestDatabaseError> {
        Self::copy(Server::get().await?, "template0").await
    }

    async fn copy(server: &'static Server, template: &str) -> Result<Self, TestDatabaseError> {
        let mut connection = server.connect().await?;
        // The server's clock and randomness name the database, so that one of another time or process never has it.
        let name: String = sqlx::query_scalar(
            "SELECT format('tc_test_%s_%s', floor(extract(epoch FROM now()))::bigint,
                           replace(gen_random_uuid()::text, '-', ''))",
        )
        .fetch_one(&mut connection)
        .await?;
        execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        connection.close().await?;
        Ok(Self { url: with_database(&server.url, &name), name, server, dropped: false })
    }

    /// Runs a statement, for what a test cannot wait for.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn execute(&self, statement: &str) -> Result<(), TestDatabaseError> {
        let mut connection = PgConnection::connect(self.url()).await?;
        execute(&mut connection, statement.to_owned()).await?;
        Ok(connection.close().await?)
    }

    /// All rows of all tables, as text: for what must not be in any of them.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn dump(&self) -> Result<String, TestDatabaseError> {
        let mut connection = PgConnection::connect(self.url()).await?;
        let tables = "SELECT string_agg(format('SELECT %L || t::text AS row FROM public.%I t', relname, relname), \
                      ' UNION ALL ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
        let rows: String = sqlx::query_scalar(tables).fetch_one(&mut connection).await?;
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows.join("\n"))
    }

    /// The address of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Drops the database, and ends the sessions of those who are still connected.
    ///
    /// # Errors
    ///
    /// [`TestDatabaseError::Database`] if the server refuses.
    pub async fn drop_now(mut self) -> Result<(), TestDatabaseError> {
        self.dropped = true;
        let mut connection = self.server.connect().await?;
        drop_database(&mut connection, &self.name).await
    }
}

impl Drop for TestDatabase {
    /// Drops the database as well as it can: one that stays is removed an hour later.
    fn drop(&mut self) {
        if self.dropped {
            return;
        }
        // A thread, because a runtime cannot wait for another one inside itself; waited for, because the process of a
        // test ends right after it.
        thread::scope(|scope| {
            let work = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let dropped = async {
                    let mut connection = self.server.connect().await?;
                    drop_database(&mut connection, &self.name).await
                };
                runtime.map(|runtime| runtime.block_on(dropped))
            };
            let _as_well_as_it_can = scope.spawn(work).join();
        });
    }
}

/// Migrates a database that this address names, as its user.
///
/// # Errors
///
/// What the migrations say.
pub async fn migrate(url: &str) -> Result<(), TestDatabaseError> {
    turbocat_migration::up(url).await?;
    Ok(())
}

/// The server that all tests share.
#[derive(Debug)]
struct Server {
    /// The address of its maintenance database.
    url: String,
    template: OnceCell<String>,
    /// This process's share, if the server is ours: it ends with the process.
    _cluster: Option<Cluster>,
}

impl Server {
    /// The server, opened once a process.
    async fn get() -> Result<&'static Self, TestDatabaseError> {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        SERVER
            .get_or_try_init(|| async {
                let server = match env::var(VARIABLE) {
                    Ok(url) => Self { url, template: OnceCell::new(), _cluster: None },
                    Err(_) => tokio::task::spawn_blocking(Self::open).await??,
                };
                server.remove_stale().await?;
                Ok(server)
            })
            .await
    }

    /// Opens the shared cluster: one a user and checkout, so that two checkouts do not meet in their templates.
    fn open() -> Result<Self, TestDatabaseError> {
        let mut hasher = DefaultHasher::new();
        env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
        let key = format!("test-{:016x}", hasher.finish());
        let cluster = Cluster::open(&ClusterOptions::throw_away(Installation::find()?, &key))?;
        Ok(Self { url: cluster.url("postgres"), template: OnceCell::new(), _cluster: Some(cluster) })
    }

    async fn connect(&self) -> Result<PgConnection, TestDatabaseError> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// Removes what killed tests left. Another process may be at it too, so a refusal is none of ours.
    async fn remove_stale(&self) -> Result<(), TestDatabaseError> {
        let mut connection = self.connect().await?;
        let stale: Vec<String> = sqlx::query_scalar(
            "SELECT datname::text FROM pg_database
             WHERE substring(datname FROM '^tc_test_([0-9]+)_[0-9a-f]{32}$')::bigint < extract(epoch FROM now()) - $1",
        )
        .bind(STALE_S)
        .fetch_all(&mut connection)
        .await?;
        for name in stale {
            let _removed_by_another = drop_database(&mut connection, &name).await;
        }
        Ok(connection.close().await?)
    }

    /// The template of this state of the migrations, looked for once a process.
    async fn template(&self) -> Result<&str, TestDatabaseError> {
        let name = self.template.get_or_try_init(|| self.find_or_make_template()).await?;
        Ok(name)
    }

    async fn find_or_make_template(&self) -> Result<String, TestDatabaseError> {
        let name = format!("tc_template_{:016x}", turbocat_migration::fingerprint());
        let mut connection = self.connect().await?;
        if !is_finished(&mut connection, &name).await? {
            sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await?;
            // Another process may have made it while this one waited.
            if !is_finished(&mut connection, &name).await? {
                self.make_template(&mut connection, &name).await?;
            }
        }
        // The end of the session frees the lock.
        connection.close().await?;
        Ok(name)
    }

    async fn make_template(&self, connection: &mut PgConnection, name: &str) -> Result<(), TestDatabaseError> {
        drop_database(connection, name).await?;
        execute(connection, format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        turbocat_migration::up(&with_database(&self.url, name)).await?;
        // One that is connected to a database keeps others from copying it.
        execute(connection, format!("ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false")).await
    }
}

/// Whether the template is there and whole: the mark is its last change.
async fn is_finished(connection: &mut PgConnection, name: &str) -> Result<bool, TestDatabaseError> {
    let finished = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate AND NOT datallowconn)",
    );
    Ok(finished.bind(name).fetch_one(connection).await?)
}

async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), TestDatabaseError> {
    execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Executes a statement that takes no parameters; the names in it are made of plain characters.
async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), TestDatabaseError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// The same address with another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(url: &str, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    #[test]
    fn the_database_of_an_address_is_replaced_and_the_rest_kept() {
        assert_eq!(with_database("postgres://a:b@c:1/d?host=/e", "x"), "postgres://a:b@c:1/x?host=/e");
        assert_eq!(with_database("postgres://c/d", "x"), "postgres://c/x");
        assert_eq!(with_database("postgresql://c", "x"), "postgresql://c/x");
        assert_eq!(with_database("postgres:///?host=/e", "x"), "postgres:///x?host=/e");
    }

    #[tokio::test]
    async fn databases_are_migrated_and_apart() {
        let (one, other) = tokio::join!(TestDatabase::create(), TestDatabase::create());
        let (one, other) = (one.unwrap(), other.unwrap());
        turbocat_migration::ensure_current(one.url()).await.unwrap();
        let insert = "WITH new AS (INSERT INTO users (email) VALUES ('a@b.c') RETURNING 1) SELECT count(*) FROM new";
        assert_eq!(count(one.url(), insert).await, 1);
        assert_eq!(count(one.url(), "SELECT count(*) FROM users").await, 1);
        assert_eq!(count(other.url(), "SELECT count(*) FROM users").await, 0);
    }

    #[tokio::test]
    async fn a_database_ends_with_its_test_whoever_is_connected() {
        let (dropped, forgotten) = (TestDatabase::create().await.unwrap(), TestDatabase::create_empty().await.unwrap());
        let names = [dropped.name.clone(), forgotten.name.clone()];
        let _connected = PgConnection::connect(forgotten.url()).await.unwrap();
        let mut maintenance = dropped.server.connect().await.unwrap();
        let mut existing = async || -> i64 {
            let count = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = ANY($1)");
            count.bind(&names[..]).fetch_one(&mut maintenance).await.unwrap()
        };
        assert_eq!(existing().await, 2);
        dropped.drop_now().await.unwrap();
        assert_eq!(existing().await, 1);
        drop(forgotten);
        assert_eq!(existing().await, 0);
    }

    #[tokio::test]
    async fn what_killed_tests_left_is_removed_after_an_hour() {
        let server = Server::get().await.unwrap();
        let mut connection = server.connect().await.unwrap();
        let suffix: String = sqlx::query_scalar("SELECT replace(gen_random_uuid()::text, '-', '')")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let stale = format!("tc_test_1_{suffix}");
        execute(&mut connection, format!("CREATE DATABASE {stale} TEMPLATE template0")).await.unwrap();
        let fresh = TestDatabase::create_empty().await.unwrap();
        server.remove_stale().await.unwrap();
        let left: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname = ANY($1)")
            .bind(vec![stale, fresh.name.clone()])
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, std::slice::from_ref(&fresh.name));
    }
}
