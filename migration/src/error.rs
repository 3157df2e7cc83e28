//! What can go wrong with the schema.

/// Why the schema could not be read or changed, or is not the one that this binary needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database lacks migrations that this binary carries.
    #[error("the database schema is behind: {} to apply ({})", .pending.len(), .pending.join(", "))]
    Behind {
        /// The missing migrations, in the order in which they apply.
        pending: Vec<String>,
    },
    /// The database has migrations that this binary does not know: it was migrated by a newer one.
    #[error("the database schema is ahead: this binary does not know {}", .unknown.join(", "))]
    Ahead {
        /// The unknown migrations.
        unknown: Vec<String>,
    },
    /// The rights of a role cannot be made those of a server.
    #[error("the role `{role}` cannot be granted the rights of a server: {why}")]
    Grantee {
        /// The role.
        role: String,
        /// Why.
        why: &'static str,
    },
    /// The address is none that `PostgreSQL` could be reached at.
    #[error("the database address is not valid")]
    Address(#[source] sqlx::Error),
    /// The database could not be reached.
    #[error("the database could not be reached")]
    Connect(#[source] sqlx::Error),
    /// The session that holds the migration lock failed.
    #[error("the migration lock could not be held")]
    Lock(#[source] sqlx::Error),
    /// The database refused a statement.
    #[error("the database refused")]
    Database(#[from] sea_orm_migration::DbErr),
}
