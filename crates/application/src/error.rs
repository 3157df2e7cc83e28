//! Why a use case did not do what it was asked.

use std::fmt;

use turbocat_domain::{
    permission::Permission,
    port::{CipherError, RepositoryError, SchemaProblem},
    problem::Problems,
};

use crate::{LocatedProblem, NoRandomness, PasswordError};

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a use case did not do what it was asked. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The documents have problems.
    #[error("{}", counted(.0.len(), "problem in the documents", "problems in the documents"))]
    Documents(Vec<LocatedProblem>),
    /// The input is not what the workflow takes.
    #[error(transparent)]
    Input(InvalidInput),
    /// There is no such thing, or not for who asks.
    #[error("there is no {entity} `{name}`")]
    NotFound {
        /// What was looked for.
        entity: &'static str,
        /// Under which name or id.
        name: String,
    },
    /// The workflow is there, but not to be run.
    #[error("the workflow `{name}` is {status}, only an active one can be run")]
    NotActive {
        /// The workflow.
        name: String,
        /// Its status.
        status: &'static str,
    },
    /// The deployment is there, but does not answer.
    #[error("the deployment `{name}` is {status}, only a running one can do this")]
    NotRunning {
        /// The deployment.
        name: String,
        /// Its status.
        status: &'static str,
    },
    /// Who asks is not known: there is no credential, or it does not stand.
    #[error("who asks is not known")]
    Unauthenticated,
    /// A webhook is not signed as its workflow wants it.
    #[error("the webhook is not taken: {reason}")]
    Unsigned {
        /// What is wrong with its signature.
        reason: &'static str,
    },
    /// Who asks may not do this.
    #[error("this account, or its key, may not do what needs `{permission}`")]
    Forbidden {
        /// What was asked for.
        permission: Permission,
    },
    /// It was asked for too often.
    #[error("too many requests: {limit} a minute are allowed, the next one in {retry_after_ms} ms")]
    RateLimited {
        /// How many are allowed in a minute.
        limit: u32,
        /// In how many milliseconds the next one is.
        retry_after_ms: u64,
    },
    /// What was asked for is not valid.
    #[error("{}", counted(.0.len(), "value is not valid", "values are not valid"))]
    Invalid(Problems),
    /// The same key of idempotency was used for another request.
    #[error("the key of idempotency was used for another request")]
    IdempotencyConflict,
    /// What is stored is no document (any more): it was written by another version, or damaged.
    #[error("the stored workflow `{name}` cannot be used")]
    Corrupt {
        /// The workflow.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Problems,
    },
    /// No secret could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The storage failed.
    #[error("the database did not do what it was asked")]
    Storage(#[from] RepositoryError),
}

/// All the places at which an input is not what the workflow takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidInput {
    /// The workflow.
    pub workflow: String,
    /// The places.
    pub problems: Vec<SchemaProblem>,
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the input is not what the workflow `{}` takes", self.workflow)?;
        for problem in &self.problems {
            let place = if problem.pointer.is_empty() { "/" } else { &problem.pointer };
            write!(f, "\n  input {place}: {}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidInput {}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
