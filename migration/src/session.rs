//! How a connection is opened: one at a time, in UTC.

use std::str::FromStr;

use sea_orm_migration::sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use crate::MigrationError;

/// How an address may begin. The driver looks at what follows only.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Parameters of every session of this crate.
///
/// A statement that waits for a table lock makes everybody behind it wait too: better to give up and be run again
/// than to stop a live system behind one long transaction.
const PARAMETERS: [(&str, &str); 3] = [("TimeZone", "UTC"), ("lock_timeout", "10s"), ("statement_timeout", "0")];

/// Reads the address.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, MigrationError> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        let reason = "an address of PostgreSQL begins with postgres://";
        return Err(MigrationError::Address(sqlx::Error::Configuration(reason.into())));
    }
    let options = PgConnectOptions::from_str(url).map_err(MigrationError::Address)?;
    Ok(options.application_name("turbocat-migration").options(PARAMETERS).disable_statement_logging())
}

/// Opens the one connection on which the schema is read and changed.
///
/// The driver opens it, not the mapper: the mapper's error for a bad address repeats it with its password. And it is
/// tried out before there is a pool: a pool knocks on a closed door for half a minute, and forgets what it heard.
pub(crate) async fn connect(url: &str) -> Result<DatabaseConnection, MigrationError> {
    let options = options(url)?;
    let tried = options.connect().await.map_err(MigrationError::Connect)?;
    // It said that it is there; how it says good-bye does not matter.
    let _closed = tried.close().await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool.map_err(MigrationError::Connect)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_in_utc_whatever_the_address_says() {
        let options = options("postgres://a@b/c?options=-c%20TimeZone%3DAsia/Tokyo").unwrap();
        let given = options.get_options().unwrap();
        assert!(given.rfind("TimeZone=UTC") > given.rfind("TimeZone=Asia/Tokyo"), "{given}");
    }
}
