//! What the use cases refuse, as problems: the one place that chooses statuses and codes.

use std::error::Error as _;

use axum::http::{HeaderName, HeaderValue, header};
use serde_json::json;
use turbocat_application::{Error, InvalidInput, LocatedProblem};
use turbocat_domain::{port::RepositoryError, problem::Problems};

use crate::{FieldError, Problem, ProblemCode};

/// In how many seconds the database is worth another try.
const RETRY_AFTER_S: u16 = 2;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Documents(problems) => documents(&problems),
            Error::Input(input) => input_problem(&input),
            Error::NotFound { entity, name } => {
                Self::new(ProblemCode::NotFound).with_detail(format!("there is no {entity} `{name}`"))
            }
            Error::NotRunning { .. } => Self::new(ProblemCode::NotRunning).with_detail(error.to_string()),
            Error::NotActive { .. } => Self::new(ProblemCode::NotActive).with_detail(error.to_string()),
            Error::Unauthenticated => unauthenticated(),
            Error::Unsigned { reason } => Self::new(ProblemCode::Unauthenticated).with_detail(reason).with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Webhook-Signature realm=\"turbocat\""),
            ),
            Error::Forbidden { permission } => Self::new(ProblemCode::Forbidden)
                .with_detail(format!("it needs the permission `{permission}`"))
                .with("permission", json!(permission.as_str())),
            Error::RateLimited { limit, retry_after_ms } => rate_limited(limit, retry_after_ms),
            Error::Invalid(problems) => Self::new(ProblemCode::Invalid).with_errors(&field_errors(&problems)),
            Error::IdempotencyConflict => Self::new(ProblemCode::IdempotencyConflict)
                .with_detail("send the same body again, or choose another key for another request"),
            Error::Storage(error) => storage(error),
            Error::Corrupt { .. } | Error::Password(_) | Error::NoRandomness(_) | Error::Cipher(_) => internal(&error),
        }
    }
}

/// The challenge of who is not known.
pub(crate) fn unauthenticated() -> Problem {
    Problem::new(ProblemCode::Unauthenticated)
        .with_detail("send an API key as `Authorization: Bearer tc_live_…`, or log in")
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"turbocat\""))
}

/// What went wrong inside, logged with all its causes; the client is told that it did.
pub(crate) fn internal(error: &dyn std::error::Error) -> Problem {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    tracing::error!(error = causes.join(": "), "a request failed");
    Problem::new(ProblemCode::Internal).with_detail("it is in the log under the id of this request")
}

fn storage(error: RepositoryError) -> Problem {
    match error {
        RepositoryError::NotFound { entity } => {
            Problem::new(ProblemCode::NotFound).with_detail(format!("there is no such {entity}"))
        }
        RepositoryError::AlreadyExists { entity } => {
            Problem::new(ProblemCode::AlreadyExists).with_detail(format!("there is such a {entity} already"))
        }
        RepositoryError::Conflict { entity } => {
            Problem::new(ProblemCode::Conflict).with_detail(format!("read the {entity} again, and then change it"))
        }
        RepositoryError::BrokenReference { entity } => Problem::new(ProblemCode::Conflict)
            .with_detail(format!("the {entity} names something that is not there any more")),
        RepositoryError::Backend { transient: true, source } => {
            tracing::warn!(error = %source, "the database does not answer");
            unavailable()
        }
        error => {
            let _has_cause = error.source().is_some();
            internal(&error)
        }
    }
}

/// The database does not answer.
pub(crate) fn unavailable() -> Problem {
    Problem::new(ProblemCode::Unavailable).with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))
}

fn rate_limited(limit: u32, retry_after_ms: u64) -> Problem {
    let seconds = retry_after_ms.div_ceil(1_000).max(1);
    Problem::new(ProblemCode::RateLimited)
        .with_detail(format!("{limit} a minute are allowed, the next one in {seconds} s"))
        .with("limit", json!(limit))
        .with("retry_after_ms", json!(retry_after_ms))
        .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
        .with_header(HeaderName::from_static("ratelimit-limit"), HeaderValue::from(limit))
        .with_header(HeaderName::from_static("ratelimit-remaining"), HeaderValue::from(0_u16))
        .with_header(HeaderName::from_static("ratelimit-reset"), HeaderValue::from(seconds))
}

fn documents(problems: &[LocatedProblem]) -> Problem {
    let errors = problems.iter().map(|located| {
        json!({
            "pointer": pointer_of(&located.problem.path), "path": located.problem.path,
            "document": located.document, "line": located.line,
            "code": located.problem.code, "message": located.problem.message,
        })
    });
    Problem::new(ProblemCode::InvalidDocuments)
        .with_detail("nothing was stored")
        .with("errors", errors.collect::<Vec<_>>().into())
}

fn input_problem(input: &InvalidInput) -> Problem {
    let errors = input.problems.iter().map(|problem| FieldError {
        pointer: format!("/input{}", problem.pointer),
        code: "schema".to_owned(),
        message: problem.message.clone(),
    });
    let detail = format!("the workflow `{}` was not started", input.workflow);
    Problem::new(ProblemCode::InvalidInput).with_detail(detail).with_errors(&errors.collect::<Vec<_>>())
}

/// All problems, each with its place as a pointer.
pub(crate) fn field_errors(problems: &Problems) -> Vec<FieldError> {
    let error = problems.iter().map(|problem| FieldError {
        pointer: pointer_of(&problem.path),
        code: problem.code.to_owned(),
        message: problem.message.clone(),
    });
    error.collect()
}

/// A path like `steps[2].inputs.query` as a JSON pointer.
pub(crate) fn pointer_of(path: &str) -> String {
    let mut pointer = String::new();
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn a_path_becomes_a_pointer() {
        assert_eq!(pointer_of("steps[2].inputs.a/b~c"), "/steps/2/inputs/a~1b~0c");
        assert_eq!(pointer_of(""), "");
    }

    #[test]
    fn no_cause_reaches_a_client() {
        let secret = || Box::new(std::io::Error::other("password=hunter2")) as _;
        let errors = [
            RepositoryError::Backend { transient: true, source: secret() },
            RepositoryError::Backend { transient: false, source: secret() },
            RepositoryError::Corrupt { entity: "user", source: secret() },
        ];
        for error in errors {
            let problem = Problem::from(Error::Storage(error));
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        for (problem, seconds) in [(rate_limited(60, 1_001), "2"), (unavailable(), "2")] {
            assert_eq!(problem.into_response().headers()[header::RETRY_AFTER], seconds);
        }
    }
}
