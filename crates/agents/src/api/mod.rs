//! API agents: one HTTP request, made of the inputs.
//!
//! ```json
//! {
//!   "method": "POST",
//!   "url": "https://api.example.com/orders/${{ input.id }}",
//!   "auth": { "type": "bearer", "token": "${{ secrets.EXAMPLE_TOKEN }}" },
//!   "query": { "verbose": true },
//!   "body": { "state": "${{ input.state }}" },
//!   "response": { "id": "${{ output.body.id }}" },
//!   "timeout_ms": 5000,
//!   "accept_status": [404],
//!   "redirects": 3,
//!   "response_schema": { "type": "object", "required": ["id"] }
//! }
//! ```
//!
//! The answer is `{ "status", "headers", "body" }`, headers in lower case, the body as JSON if its content type says
//! so and as text otherwise; `response` makes something else of it. Every status of 200 to 299 is an answer, and
//! those that `accept_status` names. Redirects are followed ([`redirect`]), and pages put together ([`pages`]). Every
//! attempt of a step carries the same `Idempotency-Key`, unless the configuration gives another.

mod auth;
mod config;
mod pages;
mod redirect;
mod request;

use std::time::Duration;

use reqwest::{Url, header::HeaderMap};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use turbocat_domain::{
    limits,
    port::{AgentCall, SchemaProblem, SchemaValidator},
    problem::Problems,
    step_run::StepError,
};

use self::redirect::Sender;

pub(crate) use self::config::Config;
use crate::{
    agents::{invalid_config, timeout_ms},
    config::CallScope,
    egress::{Answer, EgressClient, is_retryable},
    secret::Secrets,
};

/// What requests are sent with.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) egress: &'a EgressClient,
    pub(crate) secrets: &'a Secrets,
    pub(crate) schemas: &'a dyn SchemaValidator,
}

/// Checks what the form of a configuration does not show: that its schema is one.
pub(crate) fn check(config: &Value, schemas: &dyn SchemaValidator) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if let Some(schema) = Config::read(config)?.response_schema {
        for problem in schemas.check(&schema).err().into_iter().flatten() {
            problems.add("invalid_schema", format!("response_schema{}", problem.pointer), problem.message);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Runs one attempt.
pub(crate) async fn run(call: &AgentCall, means: Means<'_>) -> Result<Value, StepError> {
    let config = Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?;
    let scope = CallScope { inputs: &call.inputs, output: None };
    let request = request::build(&config, &scope, means.secrets, &call.idempotency_key())?;
    let own = config.timeout_ms.unwrap_or(limits::API_TIMEOUT_MS);
    let deadline = Instant::now() + Duration::from_millis(timeout_ms(call).min(own));
    let sender = Sender { egress: means.egress, config: &config, deadline };
    let output = match &config.pages {
        Some(pages) => pages.collect(sender, request, &scope).await?,
        None => to_output(&sender.send(request).await?.answer, &config)?,
    };
    if let Some(schema) = &config.response_schema {
        let body = output.get("body").unwrap_or(&Value::Null);
        means.schemas.validate(schema, body).map_err(|problems| unfit(&problems))?;
    }
    match &config.response {
        Some(mapping) => CallScope { output: Some(&output), ..scope }.evaluate(mapping),
        None => Ok(output),
    }
}

/// Where a request of this configuration goes and what it carries, for a protocol that makes its requests itself.
pub(crate) fn place(config: &Config, scope: &CallScope<'_>, secrets: &Secrets) -> Result<(Url, HeaderMap), StepError> {
    let mut request = request::build(config, scope, secrets, "")?;
    // It is of a call, and these are for all of them.
    request.headers_mut().remove(&request::IDEMPOTENCY_KEY);
    Ok((request.url().clone(), std::mem::take(request.headers_mut())))
}

fn to_output(answer: &Answer, config: &Config) -> Result<Value, StepError> {
    let status = answer.status;
    if !status.is_success() && !config.accept_status.contains(&status.as_u16()) {
        return Err(refusal(answer));
    }
    let body = if answer.body.is_empty() {
        Value::Null
    } else if answer.is_json() {
        serde_json::from_slice(&answer.body).map_err(|error| {
            StepError::transient("http_bad_answer", format!("the answer says that it is JSON and is not: {error}"))
        })?
    } else {
        Value::String(answer.text())
    };
    Ok(json!({ "status": status.as_u16(), "headers": headers(answer), "body": body }))
}

/// The headers by their names in lower case; several of one name are joined as HTTP does.
fn headers(answer: &Answer) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in &answer.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match headers.get_mut(name.as_str()) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&text);
            }
            _ => {
                headers.insert(name.as_str().to_owned(), Value::String(text));
            }
        }
    }
    headers
}

/// An answer that breaks its schema: another attempt would be given the same.
fn unfit(problems: &[SchemaProblem]) -> StepError {
    let all = SchemaProblem::list(problems);
    StepError::permanent("response_invalid", format!("the answer does not fit `response_schema`: {all}"))
}

fn refusal(answer: &Answer) -> StepError {
    let status = answer.status;
    let hint = if status.is_redirection() { "; it is not followed" } else { "" };
    let message = match answer.snippet() {
        empty if empty.is_empty() => format!("the other side answered {status}{hint}"),
        snippet => format!("the other side answered {status}{hint}: {snippet}"),
    };
    StepError {
        retryable: is_retryable(status),
        retry_after_ms: answer.retry_after_ms().filter(|_| is_retryable(status)),
        ..StepError::permanent("http_status", message)
    }
}
