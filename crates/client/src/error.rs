//! Why a call has no answer: what the server refused, and what lies between.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused, and said why.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// No connection could be made: nothing was asked.
    #[error("the server {server} cannot be reached: {reason}")]
    Unreachable {
        /// Which one.
        server: String,
        /// Why not, as the system says it.
        reason: String,
    },
    /// The connection broke before the answer was there: what was asked may have been done.
    #[error("the connection to {server} was lost: {reason}")]
    Lost {
        /// To which server.
        server: String,
        /// How, as the system says it.
        reason: String,
    },
    /// The answer was not there in time: what was asked may have been done.
    #[error("{server} did not answer within {} ms", .after.as_millis())]
    TimedOut {
        /// Which server.
        server: String,
        /// How long was waited.
        after: Duration,
    },
    /// Something else than Turbocat answered: a proxy, or another program.
    #[error("{server} answered with the status {status} and no problem document: is it Turbocat?")]
    Foreign {
        /// What was asked.
        server: String,
        /// The status of the answer.
        status: u16,
        /// In how long it may be asked again, if that was said.
        retry_after: Option<Duration>,
    },
    /// The answer is not in the form that this version knows.
    #[error("the answer to `{operation}` is not what this version of the client knows")]
    Unknown {
        /// What was asked, by its id in the `OpenAPI` document.
        operation: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// What was to be sent cannot be written as JSON.
    #[error("what is to be sent cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The address is none of a server.
    #[error("`{text}` is not the address of a server: {reason}")]
    Address {
        /// What was given.
        text: String,
        /// Why it is none.
        reason: String,
    },
    /// A header cannot be sent: a key or a name with characters that are not visible ASCII.
    #[error("the {what} has characters that cannot be sent in a header")]
    Header {
        /// Which.
        what: &'static str,
    },
    /// The client cannot be made: this machine lacks something.
    #[error("the HTTP client cannot be made")]
    Setup(#[source] reqwest::Error),
    /// The operating system gives no randomness for an `Idempotency-Key`.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

impl Error {
    /// What the server refused, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the server refused with this code, one of `docs/problems`.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.problem().is_some_and(|problem| problem.code == code)
    }

    /// In how long it may be asked again, if the server said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after,
            Self::Foreign { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A problem document: what the server refused, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:turbocat:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem it is, for a person.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What kind of problem it is, for a program; each has its page in `docs/problems`.
    pub code: String,
    /// What this occurrence is about.
    pub detail: Option<String>,
    /// The values that are wrong, and where.
    pub errors: Option<Vec<FieldError>>,
    /// The id under which the request is in the server's log.
    pub request_id: String,
    /// In how long it may be asked again, if the server said so.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
    /// What else the document has: `limit`, `permission`.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// The values that are wrong.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        self.errors.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut title = self.title.chars();
        if let Some(first) = title.next() {
            write!(f, "{}{}", first.to_lowercase(), title.as_str())?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// One value that is wrong, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Where it is: a JSON pointer into the body or the document, or the name of a parameter or a header.
    pub pointer: String,
    /// What kind of problem it is.
    pub code: String,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// Where it is in a document that was to be published: `steps[2].inputs.query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which of the documents, from 1; 0 when they could not be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<u64>,
    /// The line of what was sent, from 1, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.path.as_deref().unwrap_or(&self.pointer);
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_says_its_kind_and_what_it_is_about() {
        let document = json!({
            "type": "urn:turbocat:problem:forbidden", "title": "It is not allowed", "status": 403, "code": "forbidden",
            "detail": "it needs the permission `agents:write`", "request_id": "r1", "permission": "agents:write",
        });
        let problem: Problem = serde_json::from_value(document).unwrap();

        assert_eq!(problem.to_string(), "it is not allowed: it needs the permission `agents:write`");
        assert_eq!(problem.members["permission"], "agents:write");
        assert!(problem.errors().is_empty() && Error::Problem(Box::new(problem)).is("forbidden"));
    }

    #[test]
    fn a_wrong_value_says_where_it_is() {
        let error = json!({ "pointer": "/steps/0/key", "code": "missing", "message": "it is needed" });
        let mut error: FieldError = serde_json::from_value(error).unwrap();

        assert_eq!(error.to_string(), "/steps/0/key: it is needed (missing)");
        error.path = Some("steps[0].key".to_owned());
        assert_eq!(error.to_string(), "steps[0].key: it is needed (missing)");
    }
}
