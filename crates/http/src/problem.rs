//! Errors as clients see them: RFC 9457 problem documents.
//!
//! # Invariants
//!
//! 1. What an error was caused by stays inside: a problem says only what was written for clients.
//! 2. Each code has a page in `docs/problems/`.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// What kind of problem it is. The text forms are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemCode {
    /// There is nothing at this path.
    NotFound,
    /// There is something, but it does not take this method.
    MethodNotAllowed,
    /// The process runs, but cannot do its work now.
    NotReady,
}

impl ProblemCode {
    /// All codes.
    pub const ALL: [Self; 3] = [Self::NotFound, Self::MethodNotAllowed, Self::NotReady];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotReady => "not_ready",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "This method is not allowed here",
            Self::NotReady => "Not ready, try again in a moment",
        }
    }
}

/// A problem document.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: ProblemCode,
    detail: Option<String>,
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self { code, detail: None, extensions: Map::new() }
    }

    /// Says what this occurrence is about, in a sentence for clients.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Adds a member of its own to the document.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.extensions.insert(name.to_owned(), value);
        self
    }

    fn into_document(self) -> Value {
        let mut document = self.extensions;
        document.insert("type".to_owned(), json!(format!("urn:turbocat:problem:{}", self.code.as_str())));
        document.insert("title".to_owned(), json!(self.code.title()));
        document.insert("status".to_owned(), json!(self.code.status().as_u16()));
        document.insert("code".to_owned(), json!(self.code.as_str()));
        if let Some(detail) = self.detail {
            document.insert("detail".to_owned(), json!(detail));
        }
        Value::Object(document)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        (status, [content_type], self.into_document().to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_code_has_its_page() {
        for code in ProblemCode::ALL {
            let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/problems/{}.md", code.as_str()));
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            assert!(text.starts_with(&format!("# `{}`", code.as_str())), "{} is missing", page.display());
        }
    }

    #[test]
    fn an_extension_never_hides_a_member_of_the_standard() {
        let document = Problem::new(ProblemCode::NotFound).with("status", json!(200)).into_document();

        assert_eq!(document["status"], 404);
    }
}
