//! How storage fails.

/// The result of a port of storage.
pub type Result<T> = std::result::Result<T, RepositoryError>;

/// Why storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is no such thing, or not for this owner.
    #[error("{entity} does not exist")]
    NotFound {
        /// What was looked for.
        entity: &'static str,
    },
    /// Another has the same key.
    #[error("{entity} exists already")]
    AlreadyExists {
        /// What was to be inserted.
        entity: &'static str,
    },
    /// It was changed by somebody else since it was read; read it again.
    #[error("{entity} was changed by somebody else")]
    Conflict {
        /// What was to be saved.
        entity: &'static str,
    },
    /// Something that it refers to does not exist.
    #[error("{entity} refers to something that does not exist")]
    BrokenReference {
        /// What was to be written.
        entity: &'static str,
    },
    /// A stored row cannot be read: it was written by something else, or damaged.
    #[error("a stored {entity} cannot be read")]
    Corrupt {
        /// What the row should have been.
        entity: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The unit of work had failed before; nothing of it was written.
    #[error("the unit of work had failed, nothing was written")]
    Aborted,
    /// The storage itself failed.
    #[error("storage failed")]
    Backend {
        /// Whether it may be gone in a moment: a lost connection, a restart, a full pool.
        transient: bool,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RepositoryError {
    /// Whether the same call may succeed in a moment.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Backend { transient: true, .. })
    }
}
