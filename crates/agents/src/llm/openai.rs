//! Any server with the `OpenAI` API of chat completions, without streaming.

use reqwest::{
    Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Map, Value, json};
use turbocat_domain::{port::AgentCall, step_run::StepError};

use super::{Question, Reply, Surroundings};
use crate::{
    agents::timeout_ms,
    egress::{Answer, EgressClient, is_retryable},
    secret::{self, Secret},
};

/// Asks, and reads the answer.
pub(super) async fn ask(question: &Question, call: &AgentCall, around: Surroundings<'_>) -> Result<Reply, StepError> {
    let target = Target::of(question, around)?;
    let model = question.config.model.as_deref().unwrap_or(&around.models.model);
    let mut request = Request::new(Method::POST, target.url);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("idempotency-key"), header(&call.idempotency_key())?);
    if let Some(key) = target.key {
        let mut authorization = header(&format!("Bearer {}", key.expose()))?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
    }
    *request.body_mut() = Some(body(question, model).to_string().into());
    read(&target.egress.send(request, timeout_ms(call)).await?, model)
}

/// Where the question goes, by which way, and with whose key.
struct Target<'a> {
    url: Url,
    key: Option<&'a Secret>,
    egress: &'a EgressClient,
}

impl<'a> Target<'a> {
    /// The operator's key goes to the operator's address only: an author could name another to get hold of it.
    fn of(question: &Question, around: Surroundings<'a>) -> Result<Self, StepError> {
        let own = question.config.base_url.as_ref();
        let base = own.unwrap_or(&around.models.base_url);
        let key = match &question.config.api_key {
            Some(name) => Some(secret::find(around.secrets, name, base)?),
            None if own.is_none() => around.models.api_key.as_ref(),
            None => None,
        };
        let egress = if own.is_none() { &around.models.egress } else { around.egress };
        let mut url = base.clone();
        url.set_path(&format!("{}/chat/completions", base.path().trim_end_matches('/')));
        Ok(Self { url, key, egress })
    }
}

fn body(question: &Question, model: &str) -> Value {
    let config = &question.config;
    let messages: Vec<Value> =
        question.messages.iter().map(|message| json!({ "role": message.role, "content": message.content })).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages.into());
    let optional = [
        ("temperature", config.temperature.map(Value::from)),
        ("max_tokens", config.max_tokens.map(Value::from)),
        ("response_format", config.response_format.clone()),
    ];
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(body)
}

fn header(text: &str) -> Result<HeaderValue, StepError> {
    HeaderValue::from_str(text)
        .map_err(|_| StepError::permanent("invalid_request", "the key holds a character that no header may hold"))
}

fn read(answer: &Answer, asked: &str) -> Result<Reply, StepError> {
    if !answer.status.is_success() {
        return Err(refusal(answer));
    }
    let bad = |what: &str| StepError::transient("llm_bad_answer", format!("{what}: {}", answer.snippet()));
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|_| bad("the answer of the model's server is not JSON"))?;
    let choice =
        body.pointer("/choices/0").ok_or_else(|| bad("the answer of the model's server has no choice in it"))?;
    // A refusal of the model stands beside the content, which is null then.
    let text = choice.pointer("/message/content").and_then(Value::as_str);
    let text = text.or_else(|| choice.pointer("/message/refusal").and_then(Value::as_str));
    Ok(Reply {
        text: text.ok_or_else(|| bad("the answer of the model's server has no text in it"))?.to_owned(),
        model: body.get("model").and_then(Value::as_str).unwrap_or(asked).to_owned(),
        usage: usage(body.get("usage")),
        finish_reason: choice.get("finish_reason").cloned().unwrap_or_default(),
    })
}

/// The two figures that everybody has, and the provider's own account as it is.
fn usage(raw: Option<&Value>) -> Value {
    let figure = |name: &str| raw.and_then(|usage| usage.get(name)).cloned().unwrap_or_default();
    json!({
        "input_tokens": figure("prompt_tokens"),
        "output_tokens": figure("completion_tokens"),
        "raw": raw,
    })
}

fn refusal(answer: &Answer) -> StepError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body.pointer("/error/message").or_else(|| body.get("error")).and_then(Value::as_str);
    let message = format!("the model's server answered {}: {}", answer.status, message.unwrap_or(&answer.snippet()));
    let spent = body.pointer("/error/code").and_then(Value::as_str) == Some("insufficient_quota");
    match answer.status.as_u16() {
        401 | 403 => StepError::permanent("llm_unauthorized", message),
        // Waiting does not fill an account.
        429 if spent => StepError::permanent("llm_quota_exhausted", message),
        429 => StepError { retry_after_ms: answer.retry_after_ms(), ..StepError::transient("llm_overloaded", message) },
        _ if is_retryable(answer.status) => {
            StepError { retry_after_ms: answer.retry_after_ms(), ..StepError::transient("llm_unavailable", message) }
        }
        _ => StepError::permanent("llm_refused", message),
    }
}
