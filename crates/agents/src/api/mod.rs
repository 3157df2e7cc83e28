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
//!   "accept_status": [404]
//! }
//! ```
//!
//! The answer is `{ "status", "headers", "body" }`, headers in lower case, the body as JSON if its content type says
//! so and as text otherwise; `response` makes something else of it. Every status of 200 to 299 is an answer, and
//! those that `accept_status` names. A redirect is not followed. Every attempt of a step carries the same
//! `Idempotency-Key`, unless the configuration gives another.

mod auth;
mod config;
mod request;

use reqwest::{Url, header::HeaderMap};
use serde_json::{Map, Value, json};
use turbocat_domain::{limits, port::AgentCall, step_run::StepError};

pub(crate) use self::config::Config;
use crate::{
    agents::{invalid_config, timeout_ms},
    config::CallScope,
    egress::{Answer, EgressClient, is_retryable},
    secret::Secrets,
};

/// Runs one attempt.
pub(crate) async fn run(call: &AgentCall, egress: &EgressClient, secrets: &Secrets) -> Result<Value, StepError> {
    let config = Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?;
    let scope = CallScope { inputs: &call.inputs, output: None };
    let request = request::build(&config, &scope, secrets, &call.idempotency_key())?;
    let own = config.timeout_ms.unwrap_or(limits::API_TIMEOUT_MS);
    let answer = egress.send(request, timeout_ms(call).min(own)).await?;
    let output = to_output(&answer, &config)?;
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

fn refusal(answer: &Answer) -> StepError {
    let status = answer.status;
    let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
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
