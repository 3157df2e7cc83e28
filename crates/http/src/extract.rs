//! What handlers take out of a request, with problems for what cannot be taken.

use std::{fmt::Display, str::FromStr, time::Duration};

use axum::{
    RequestPartsExt,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Query, Request, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use turbocat_application::{Idempotency, SourceFile, read_value};
use turbocat_domain::limits;

use crate::{Problem, ProblemCode, refusal::pointer_of};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// An id in the path. What is no id of this kind names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let missing = |detail: String| Problem::new(ProblemCode::NotFound).with_detail(detail);
        let Path(text) = parts.extract::<Path<String>>().await.map_err(|error| missing(error.to_string()))?;
        text.parse().map(Self).map_err(|error: T::Err| missing(error.to_string()))
    }
}

/// The query, as a whole: unknown parameters are mistakes.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.extract::<Query<T>>().await;
        let Query(params) =
            query.map_err(|error| Problem::new(ProblemCode::InvalidQuery).with_detail(error.body_text()))?;
        if parts.uri.query().is_some_and(has_nul) {
            return Err(Problem::new(ProblemCode::InvalidQuery).with_detail("text may not have the character NUL"));
        }
        Ok(Self(params))
    }
}

fn has_nul(query: &str) -> bool {
    query.contains("%00")
}

/// The body, as it arrived.
pub(crate) struct Raw {
    /// The bytes.
    pub(crate) bytes: Bytes,
    /// What the client says they are, in lower case and without parameters.
    pub(crate) media_type: String,
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = media_type(request.headers());
        let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let bytes = read.map_err(|_| Problem::new(ProblemCode::RequestTimeout))?.map_err(unreadable)?;
        Ok(Self { bytes, media_type })
    }
}

fn unreadable(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(ProblemCode::PayloadTooLarge),
        _ => Problem::new(ProblemCode::InvalidJson).with_detail("the body did not arrive as a whole"),
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A body of JSON, read into a type that knows all its fields: any other field is a mistake.
pub(crate) struct Json<T> {
    /// What it says.
    pub(crate) value: T,
    /// The bytes, for what depends on the request being the same.
    pub(crate) bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Self::read(Raw::from_request(request, state).await?)
    }
}

/// A body that may be left out as a whole.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let raw = Raw::from_request(request, state).await?;
        if raw.bytes.is_empty() { Ok(None) } else { Self::read(raw).map(Some) }
    }
}

impl<T: DeserializeOwned> Json<T> {
    fn read(raw: Raw) -> Result<Self, Problem> {
        if raw.media_type != "application/json" {
            return Err(unsupported(&raw.media_type, "application/json"));
        }
        let value = json(&raw.bytes)?;
        let value = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let pointer = if path == "." { String::new() } else { pointer_of(&path) };
            let message = error.into_inner().to_string();
            Problem::invalid_field(pointer, message)
        })?;
        Ok(Self { value, bytes: raw.bytes })
    }
}

/// A type of body that is not taken here.
pub(crate) fn unsupported(found: &str, expected: &str) -> Problem {
    let detail = match found {
        "" => format!("there is no Content-Type: expected {expected}"),
        found => format!("`{found}` is not taken here: expected {expected}"),
    };
    Problem::new(ProblemCode::UnsupportedMediaType).with_detail(detail)
}

/// Reads bytes as JSON that can be stored: no key twice, no NUL, not too deep and not too much.
fn json(bytes: &[u8]) -> Result<Value, Problem> {
    let refused = |detail: String| Problem::new(ProblemCode::InvalidJson).with_detail(detail);
    let text = std::str::from_utf8(bytes).map_err(|error| refused(format!("the body is not UTF-8: {error}")))?;
    let file = SourceFile { name: "body.json".to_owned(), text: text.to_owned() };
    let value = read_value(&file).map_err(|located| refused(located.problem.message))?;
    limits::EXECUTION_INPUT.check(&value).map_err(|error| {
        Problem::new(ProblemCode::JsonTooLarge)
            .with_detail(error.to_string())
            .with("limit", error.limit.into())
            .with("actual", error.actual.into())
    })?;
    Ok(value)
}

/// The key of a request that may be sent again, if it has one.
pub(crate) struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let (first, second) = (values.next(), values.next());
        let refused = |detail| Problem::new(ProblemCode::InvalidHeader).with_detail(detail);
        if second.is_some() {
            return Err(refused("there are several Idempotency-Key"));
        }
        let text = first.map(|value| value.to_str().map(str::to_owned)).transpose();
        text.map(Self).map_err(|_| refused("the Idempotency-Key is not visible ASCII"))
    }
}

impl IdempotencyKey {
    /// The key for an operation with this body.
    pub(crate) fn of(&self, operation: &str, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
        let once = self.0.as_deref().map(|key| Idempotency::new(key, operation, body)).transpose();
        once.map_err(|_| {
            let detail = "the Idempotency-Key needs 1 to 255 visible characters of ASCII";
            Problem::new(ProblemCode::InvalidHeader).with_detail(detail)
        })
    }
}

/// An answer, marked if it is the one of an earlier request with the same key.
pub(crate) fn replayed(answer: impl IntoResponse, is_repeated: bool) -> Response {
    let mut response = answer.into_response();
    if is_repeated {
        let name = HeaderName::from_static("idempotency-replayed");
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    response
}
