//! What the driver's errors mean: the only place that looks into one.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use turbocat_domain::port::{RepositoryError, Result};

/// Says what a failed call was about.
pub(crate) trait ErrorContext<T> {
    /// Translates the error, about this entity.
    fn about(self, entity: &'static str) -> Result<T>;
}

impl<T> ErrorContext<T> for std::result::Result<T, DbErr> {
    fn about(self, entity: &'static str) -> Result<T> {
        self.map_err(|error| translate(error, entity))
    }
}

impl<T> ErrorContext<T> for std::result::Result<T, sqlx::Error> {
    fn about(self, entity: &'static str) -> Result<T> {
        self.map_err(|error| translate(DbErr::Query(RuntimeErr::SqlxError(error.into())), entity))
    }
}

/// A value that no column can hold: a mistake of the caller, not of the storage.
pub(crate) fn unstorable(source: impl std::error::Error + Send + Sync + 'static) -> RepositoryError {
    RepositoryError::Backend { transient: false, source: Box::new(source) }
}

fn translate(error: DbErr, entity: &'static str) -> RepositoryError {
    match sql_state(&error).as_deref() {
        Some("23505") => RepositoryError::AlreadyExists { entity },
        Some("23503") => RepositoryError::BrokenReference { entity },
        Some("25P02") => RepositoryError::Aborted,
        state => {
            let transient = state.map_or_else(|| is_lost(&error), is_passing);
            RepositoryError::Backend { transient, source: Box::new(error) }
        }
    }
}

fn sql_state(error: &DbErr) -> Option<String> {
    match driver_error(error)? {
        sqlx::Error::Database(database) => database.code().map(std::borrow::Cow::into_owned),
        _ => None,
    }
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// Whether what the server refused now it may do in a moment: connection exceptions (08), a lack of resources
/// (53), a shutdown or start (57P), a failure of the system under the server (58), a timeout of a statement (57014) or
/// of a lock (55P03), a deadlock or another clash with a transaction at the same time (40), a standby that has not been
/// promoted yet (25006). A disk that fails at a commit is of the class
/// 58: the server goes down over it and recovers, so nothing is wrong with what was to be committed, and nobody knows
/// whether it was.
fn is_passing(state: &str) -> bool {
    state.starts_with("08")
        || state.starts_with("53")
        || state.starts_with("57P")
        || state.starts_with("58")
        || state.starts_with("40")
        || matches!(state, "57014" | "55P03" | "25006")
}

/// Whether the server was not reached, or its answer was lost.
fn is_lost(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(error) => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed
        ),
        None => matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(error: sqlx::Error) -> RepositoryError {
        Err::<(), _>(error).about("thing").unwrap_err()
    }

    #[test]
    fn a_lost_connection_and_a_full_pool_are_transient() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);

        assert!(translated(sqlx::Error::Io(broken)).is_transient());
        assert!(translated(sqlx::Error::PoolTimedOut).is_transient());
        assert!(Err::<(), _>(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)).about("x").unwrap_err().is_transient());
    }

    #[test]
    fn a_closed_pool_and_a_row_that_does_not_fit_are_not() {
        assert!(!translated(sqlx::Error::PoolClosed).is_transient());
        assert!(!translated(sqlx::Error::ColumnNotFound("x".to_owned())).is_transient());
    }

    #[test]
    fn a_shutdown_passes_and_a_syntax_error_does_not() {
        assert!(is_passing("57P01"));
        assert!(is_passing("08006"));
        assert!(is_passing("53300"));
        assert!(is_passing("40P01"), "of a deadlock one is given up, and nothing of it was done");
        assert!(is_passing("58030"), "a disk that fails says nothing about what was to be written");
        assert!(!is_passing("42601"));
        assert!(!is_passing("23514"));
    }
}
