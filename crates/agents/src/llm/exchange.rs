//! One question to the server of a model: the request, the way out, and what its answer means.

use reqwest::{
    Method, Request, Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::Value;
use turbocat_domain::{port::AgentCall, step_run::StepError};

use super::{
    Surroundings,
    chat::{Ask, Turn},
    config::{Provider, Target},
    provider::{Dialect, dialect},
    stream::Stream,
};
use crate::{
    agents::timeout_ms,
    egress::{Answer, EgressClient, is_retryable},
    secret::{self, Secret},
};

/// Whom a question is for, and what it is called.
#[derive(Clone, Copy)]
pub(super) struct Addressed<'a> {
    pub(super) target: &'a Target,
    pub(super) provider: Provider,
    /// The name of the turn in the step.
    pub(super) key: &'a str,
}

/// Asks, and reads the answer.
pub(super) async fn ask(
    call: &AgentCall,
    around: Surroundings<'_>,
    addressed: Addressed<'_>,
    ask: Ask<'_>,
) -> Result<Turn, StepError> {
    let Addressed { target, provider, key } = addressed;
    let dialect = dialect(provider);
    let way = Way::of(target, provider, around)?;
    let mut request = Request::new(Method::POST, way.url(&dialect.path(&ask)));
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let idempotency_key = header(&format!("{}/{key}", call.idempotency_key()))?;
    headers.insert(HeaderName::from_static("idempotency-key"), idempotency_key);
    for (name, value) in dialect.headers() {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(key) = way.key {
        let (name, prefix) = dialect.key();
        let mut value = header(&format!("{prefix}{}", key.expose()))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    *request.body_mut() = Some(dialect.body(&ask).to_string().into());
    let most = ask.config.turn_timeout_ms.unwrap_or(u64::MAX).min(timeout_ms(call));
    if !ask.config.streams {
        return read(&way.egress.send(request, most).await?, dialect, ask.model);
    }
    let mut stream = Stream::new(dialect, &**around.log);
    let answer = way.egress.send_observed(request, most, &mut |chunk| stream.feed(chunk)).await?;
    // A server that knows no streams answers as a whole, and so does one that refuses.
    if answer.status.is_success() && answer.is_event_stream() {
        read_events(&stream.end(), dialect, ask.model)
    } else {
        read(&answer, dialect, ask.model)
    }
}

/// The answer that events come to. One that breaks off is none, even if the connection was closed in order.
fn read_events(events: &[Value], dialect: &dyn Dialect, asked: &str) -> Result<Turn, StepError> {
    if let Some(error) = events.iter().find_map(|event| event.get("error")).filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
        let message = format!("the model's server broke off its answer: {message}");
        return Err(StepError::transient("llm_unavailable", message));
    }
    let whole = dialect.assemble(events).and_then(|body| dialect.read(&body, asked));
    let message = "the answer of the model's server ends before the model's does";
    whole.ok_or_else(|| StepError::transient("llm_bad_answer", message))
}

/// Where a question goes, by which way, and with whose key.
struct Way<'a> {
    base: &'a Url,
    key: Option<&'a Secret>,
    egress: &'a EgressClient,
}

impl<'a> Way<'a> {
    /// The operator's key goes to the operator's address only: an author could name another to get hold of it.
    fn of(target: &'a Target, provider: Provider, around: Surroundings<'a>) -> Result<Self, StepError> {
        let own = target.base_url.as_ref();
        let operators = around.models.endpoint(provider);
        let base = own.unwrap_or(&operators.base_url);
        let key = match &target.api_key {
            Some(name) => Some(secret::find(around.secrets, name, base)?),
            None if own.is_none() => operators.api_key.as_ref(),
            None => None,
        };
        let egress = if own.is_none() { &operators.egress } else { around.egress };
        Ok(Self { base, key, egress })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if query.is_some() {
            url.set_query(query);
        }
        url
    }
}

fn header(text: &str) -> Result<HeaderValue, StepError> {
    HeaderValue::from_str(text)
        .map_err(|_| StepError::permanent("invalid_request", "the key holds a character that no header may hold"))
}

fn read(answer: &Answer, dialect: &dyn Dialect, asked: &str) -> Result<Turn, StepError> {
    if !answer.status.is_success() {
        return Err(refusal(answer));
    }
    let bad = |what: &str| StepError::transient("llm_bad_answer", format!("{what}: {}", answer.snippet()));
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|_| bad("the answer of the model's server is not JSON"))?;
    dialect.read(&body, asked).ok_or_else(|| bad("the answer of the model's server has no answer of a model in it"))
}

/// What a refusal means. All providers put what they say into `error.message`, and tell an empty account apart.
fn refusal(answer: &Answer) -> StepError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body.pointer("/error/message").or_else(|| body.get("error")).and_then(Value::as_str);
    let message = format!("the model's server answered {}: {}", answer.status, message.unwrap_or(&answer.snippet()));
    let spent = body.pointer("/error/code").and_then(Value::as_str) == Some("insufficient_quota")
        || body.pointer("/error/type").and_then(Value::as_str) == Some("billing_error");
    let patient =
        |code| StepError { retry_after_ms: answer.retry_after_ms(), ..StepError::transient(code, message.clone()) };
    match answer.status.as_u16() {
        401 | 403 => StepError::permanent("llm_unauthorized", message),
        // Waiting does not fill an account.
        402 | 429 if spent => StepError::permanent("llm_quota_exhausted", message),
        429 | 529 => patient("llm_overloaded"),
        _ if is_retryable(answer.status) => patient("llm_unavailable"),
        _ => StepError::permanent("llm_refused", message),
    }
}
