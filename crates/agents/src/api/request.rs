//! Makes the request of one call.

use reqwest::{
    Body, Request, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use turbocat_domain::{expression::secret_reference, step_run::StepError};

use super::Config;
use crate::{
    config::CallScope,
    secret::{self, Secrets},
};

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request, with all mappings computed and all secrets put in.
pub(super) fn build(
    config: &Config,
    scope: &CallScope<'_>,
    secrets: &Secrets,
    idempotency_key: &str,
) -> Result<Request, StepError> {
    let mut url = to_url(&scope.evaluate(&config.url)?)?;
    if let Some(query) = &config.query {
        append_query(&mut url, &scope.evaluate(query)?)?;
    }
    let mut headers = HeaderMap::new();
    for (name, mapping) in &config.headers {
        if let Some(value) = header_value(name, &scope.evaluate_with_secrets(mapping)?, (secrets, &url))? {
            headers.insert(name, value);
        }
    }
    if !headers.contains_key(&IDEMPOTENCY_KEY) {
        headers.insert(IDEMPOTENCY_KEY, plain_header(&IDEMPOTENCY_KEY, idempotency_key)?);
    }
    let mut request = Request::new(config.method.clone(), url);
    if let Some(body) = &config.body {
        let (body, kind) = to_body(scope.evaluate(body)?);
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        *request.body_mut() = Some(body);
    }
    *request.headers_mut() = headers;
    if let Some(auth) = &config.auth {
        auth.apply(scope, secrets, &mut request)?;
    }
    Ok(request)
}

fn to_url(value: &Value) -> Result<Url, StepError> {
    let text = value.as_str().ok_or_else(|| invalid(format!("the url must be a text, not {value}")))?;
    // A password in a URL would end up in the logs of whoever stands in between.
    let url = Url::parse(text).map_err(|error| invalid(format!("`{text}` is not a url: {error}")))?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err(invalid("a user or password in a url is not sent; use the header `Authorization`"))
    }
}

/// One pair a value; a list is one pair an item, `null` none.
fn append_query(url: &mut Url, query: &Value) -> Result<(), StepError> {
    let entries = query.as_object().ok_or_else(|| invalid(format!("the query must be an object, not {query}")))?;
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for (name, value) in entries {
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for item in items.iter().filter(|item| !item.is_null()) {
            pairs.push((name, to_text(item)?));
        }
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(())
}

/// `None` for `null`: a header that is left out.
fn header_value(
    name: &HeaderName,
    value: &Value,
    (secrets, url): (&Secrets, &Url),
) -> Result<Option<HeaderValue>, StepError> {
    if value.is_null() {
        return Ok(None);
    }
    let Some(secret) = secret_reference(value) else {
        return plain_header(name, &to_text(value)?).map(Some);
    };
    let mut header = plain_header(name, secret::find(secrets, secret, url)?.expose())?;
    header.set_sensitive(true);
    Ok(Some(header))
}

pub(super) fn plain_header(name: &HeaderName, text: &str) -> Result<HeaderValue, StepError> {
    HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| invalid(format!("the value of the header `{name}` holds a character that no header may hold")))
}

/// Text is sent as it is, everything else as JSON.
fn to_body(value: Value) -> (Body, &'static str) {
    match value {
        Value::String(text) => (Body::from(text), "text/plain; charset=utf-8"),
        other => (Body::from(other.to_string()), "application/json"),
    }
}

pub(super) fn to_text(value: &Value) -> Result<String, StepError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(invalid(format!("a header or query takes a text, a number or a bool, not {value}")))
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> StepError {
    StepError::permanent("invalid_request", message)
}
