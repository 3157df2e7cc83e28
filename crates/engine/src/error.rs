//! How an engine fails to start.

use turbocat_domain::port::RepositoryError;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It could not become a worker.
    #[error("the worker could not be registered")]
    Register(#[source] RepositoryError),
}
