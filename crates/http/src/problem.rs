//! Errors as clients see them: RFC 9457 problem documents.
//!
//! # Invariants
//!
//! 1. What an error was caused by stays inside: a problem says only what was written for clients.
//! 2. Each code has a page in `docs/problems/`.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)+) => {
        /// What kind of problem it is. The text forms are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemCode {
            $($(#[$doc])* $name,)+
        }

        impl ProblemCode {
            /// All codes.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// The text form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The status that it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or JSON that is not accepted.
    InvalidJson = "invalid_json", BAD_REQUEST, "The body cannot be read";
    /// The body nests too deep, or has too many or too long values.
    JsonTooLarge = "json_too_large", BAD_REQUEST, "The body has too much in it";
    /// A parameter of the query is unknown or not valid.
    InvalidQuery = "invalid_query", BAD_REQUEST, "The query is not valid";
    /// A header is not valid.
    InvalidHeader = "invalid_header", BAD_REQUEST, "A header is not valid";
    /// There is no credential, or it does not stand.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Who asks is not known";
    /// The account, or its key, may not do this.
    Forbidden = "forbidden", FORBIDDEN, "This may not be done with this credential";
    /// The request did not come from the pages of this server.
    CrossSite = "cross_site", FORBIDDEN, "The request comes from another site";
    /// There is nothing at this path.
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    /// There is something, but it does not take this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This method is not allowed here";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// It was changed by somebody else since it was read.
    Conflict = "conflict", CONFLICT, "It was changed by somebody else";
    /// Another one has the same name.
    AlreadyExists = "already_exists", CONFLICT, "It exists already";
    /// The workflow is not active.
    NotActive = "not_active", CONFLICT, "The workflow is not active";
    /// The deployment does not answer.
    NotRunning = "not_running", CONFLICT, "The deployment does not run";
    /// The key of idempotency was used for another request.
    IdempotencyConflict = "idempotency_conflict", CONFLICT, "The Idempotency-Key was used for another request";
    /// The body is too long.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too long";
    /// The address is too long.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "The address is too long";
    /// The body is of a type that is not taken here.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The type of the body is not taken here";
    /// Values of the body are not valid.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "The request is not valid";
    /// The documents have problems.
    InvalidDocuments = "invalid_documents", UNPROCESSABLE_ENTITY, "The documents have problems";
    /// The input is not what the workflow takes.
    InvalidInput = "invalid_input", UNPROCESSABLE_ENTITY, "The input is not what the workflow takes";
    /// It was asked for too often.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// Too many streams are open.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "Too many streams are open";
    /// The headers are too large.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large";
    /// Something went wrong here.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
    /// The process runs, but cannot do its work now.
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "Not ready, try again in a moment";
    /// The database does not answer.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The database does not answer, try again in a moment";
}

/// One value that is wrong, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a JSON pointer into the body, or the name of a parameter or a header.
    pub pointer: String,
    /// What kind of problem it is.
    pub code: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// A problem document.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: ProblemCode,
    detail: Option<String>,
    extensions: Map<String, Value>,
    headers: Option<Box<HeaderMap>>,
}

/// The document of an answer, so that who frames the answer can add the id of its request.
#[derive(Debug, Clone)]
pub(crate) struct ProblemDocument(pub(crate) Map<String, Value>);

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self { code, detail: None, extensions: Map::new(), headers: None }
    }

    /// A body of which one value is not valid: where it stands, as a JSON pointer, and what is wrong with it.
    pub(crate) fn invalid_field(pointer: impl Into<String>, message: String) -> Self {
        let error = FieldError { pointer: pointer.into(), code: "invalid_field".to_owned(), message };
        Self::new(ProblemCode::Invalid).with_errors(&[error])
    }

    /// What kind of problem it is.
    #[must_use]
    pub const fn code(&self) -> ProblemCode {
        self.code
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

    /// Adds the values that are wrong.
    #[must_use]
    pub fn with_errors(self, errors: &[FieldError]) -> Self {
        self.with("errors", json!(errors))
    }

    /// Adds a header to the answer.
    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.get_or_insert_default().insert(name, value.into());
        self
    }

    fn into_document(self) -> Map<String, Value> {
        let mut document = self.extensions;
        document.insert("type".to_owned(), json!(format!("urn:turbocat:problem:{}", self.code.as_str())));
        document.insert("title".to_owned(), json!(self.code.title()));
        document.insert("status".to_owned(), json!(self.code.status().as_u16()));
        document.insert("code".to_owned(), json!(self.code.as_str()));
        if let Some(detail) = self.detail {
            document.insert("detail".to_owned(), json!(detail));
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let (status, headers) = (self.code.status(), *self.headers.take().unwrap_or_default());
        let mut response = (status, headers).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let document = self.into_document();
        *response.body_mut() = Value::Object(document.clone()).to_string().into();
        response.extensions_mut().insert(ProblemDocument(document));
        response
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
            let head = format!("# `{}` ({})", code.as_str(), code.status().as_u16());
            assert!(text.starts_with(&head), "{} does not begin with {head}", page.display());
            assert!(text.contains("What to do: "), "{} does not say what to do", page.display());
        }
    }

    #[test]
    fn an_extension_never_hides_a_member_of_the_standard() {
        let document = Problem::new(ProblemCode::NotFound).with("status", json!(200)).into_document();

        assert_eq!(document["status"], 404);
    }
}
