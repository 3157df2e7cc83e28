//! The client: sends a request, again where that is safe, and reads the answer.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use reqwest::{Response, Url, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{ClientBuilder, Error, Operation, Page, Problem, Repeat, Retries};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const KEY_BYTES: usize = 16;
/// The types of bodies.
pub(crate) const JSON: &str = "application/json";
/// The same for documents.
pub(crate) const YAML: &str = "application/yaml";

/// A client of one server. Cheap to clone: clones share their connections.
#[derive(Debug, Clone)]
pub struct Client(pub(crate) Arc<Inner>);

/// What clones share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) timeout: Duration,
    pub(crate) patience: Patience,
    pub(crate) retries: Retries,
}

/// How patient a stream is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long it tries to come back.
    pub(crate) stream: Duration,
    /// How long the server may say nothing at all.
    pub(crate) silence_max: Duration,
}

/// A request that is to be sent.
pub(crate) struct Call {
    operation: Operation,
    path: String,
    query: Vec<(String, String)>,
    body: Option<(&'static str, String)>,
    key: Option<String>,
    /// What the answer may take longer than others.
    extra: Duration,
}

/// What the server answered, when it did not refuse.
pub(crate) struct Answered {
    pub(crate) status: u16,
    body: Vec<u8>,
    operation: Operation,
}

impl Call {
    /// A request for something that is about nothing in particular.
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            operation,
            path: operation.path.to_owned(),
            query: Vec::new(),
            body: None,
            key: None,
            extra: Duration::ZERO,
        }
    }

    /// A request about this.
    pub(crate) fn about(operation: Operation, id: impl ToString) -> Self {
        Self { path: operation.path.replace("{id}", &id.to_string()), ..Self::new(operation) }
    }

    /// With the members of this as the query, but for those that are null or false.
    pub(crate) fn query(self, query: &impl Serialize) -> Result<Self, Error> {
        let members = serde_json::to_value(query).map_err(Error::Unwritable)?;
        let pairs = members.as_object().into_iter().flatten().filter_map(|(name, value)| {
            let text = match value {
                Value::Null | Value::Bool(false) => return None,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some((name.clone(), text))
        });
        Ok(Self { query: pairs.collect(), ..self })
    }

    /// With this as the body.
    pub(crate) fn json(self, body: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_string(body).map_err(Error::Unwritable)?;
        Ok(self.body(JSON, text))
    }

    /// With this as the body.
    pub(crate) fn body(self, media_type: &'static str, text: String) -> Self {
        Self { body: Some((media_type, text)), ..self }
    }

    /// With this `Idempotency-Key` in place of one that is made.
    pub(crate) fn keyed(self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self }
    }

    /// The answer may take so much longer.
    pub(crate) fn longer(self, extra: Duration) -> Self {
        Self { extra, ..self }
    }
}

impl Answered {
    /// The answer as what it is.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|source| Error::Unknown { operation: self.operation.id.to_lowercase(), source })
    }
}

impl Client {
    /// A client of the server at an address such as `http://127.0.0.1:8484`, to be made in detail.
    pub fn builder(server: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(server)
    }

    /// The address of the server.
    #[must_use]
    pub fn server(&self) -> &str {
        self.0.base.as_str().trim_end_matches('/')
    }

    /// Asks for something and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.send(call).await?.read()
    }

    /// Asks for a page.
    pub(crate) async fn list<T: DeserializeOwned>(&self, call: Call, query: &impl Serialize) -> Result<Page<T>, Error> {
        self.ask(call.query(query)?).await
    }

    /// Sends a request, again where that is safe, with the same key each time.
    pub(crate) async fn send(&self, mut call: Call) -> Result<Answered, Error> {
        let repeat = call.operation.repeat;
        if repeat == Repeat::ByKey && call.key.is_none() {
            call.key = Some(new_key()?);
        }
        let mut attempt = 1;
        loop {
            let error = match self.send_once(&call).await {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            let Some(pause) = self.0.retries.pause((attempt, repeat), &error) else { return Err(error) };
            tracing::debug!(operation = call.operation.id, attempt, %error, "is asked again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn send_once(&self, call: &Call) -> Result<Answered, Error> {
        let timeout = self.0.timeout.saturating_add(call.extra);
        let exchange = async {
            let response = self.open(call, None).await?;
            let status = response.status().as_u16();
            let body = response.bytes().await.map_err(|source| self.lost(&source))?.to_vec();
            Ok(Answered { status, body, operation: call.operation })
        };
        let ended = tokio::time::timeout(timeout, exchange).await;
        ended.unwrap_or_else(|_| Err(Error::TimedOut { server: self.server().to_owned(), after: timeout }))
    }

    /// Sends a request, and returns the answer with its body still to be read, unless it is a refusal.
    pub(crate) async fn open(&self, call: &Call, last_event: Option<&str>) -> Result<Response, Error> {
        let mut request = self.0.http.request(call.operation.method.verb(), self.url(call));
        if let Some((media_type, text)) = &call.body {
            request = request.header(header::CONTENT_TYPE, *media_type).body(text.clone());
        }
        if let Some(key) = &call.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(place) = last_event {
            request = request.header("last-event-id", place);
        }
        let response = request.send().await.map_err(|source| self.unsent(&source))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.0.base.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    fn unsent(&self, source: &reqwest::Error) -> Error {
        if source.is_builder() {
            return Error::Header { what: "request" };
        }
        if source.is_connect() {
            return Error::Unreachable { server: self.server().to_owned(), reason: innermost(source) };
        }
        self.lost(source)
    }

    pub(crate) fn lost(&self, source: &reqwest::Error) -> Error {
        Error::Lost { server: self.server().to_owned(), reason: innermost(source) }
    }

    /// What a refusal says.
    async fn refused(&self, response: Response) -> Error {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let document = match response.bytes().await {
            Ok(bytes) => serde_json::from_slice::<Problem>(&bytes).ok(),
            Err(source) => return self.lost(&source),
        };
        match document {
            Some(problem) => Error::Problem(Box::new(Problem { retry_after, ..problem })),
            None => Error::Foreign { server: self.server().to_owned(), status, retry_after },
        }
    }
}

/// What the system said: the layers above it only say that something failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A new `Idempotency-Key`: nobody else has the same.
fn new_key() -> Result<String, Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes.iter().fold(String::new(), |mut key, byte| {
        let _infallible = write!(key, "{byte:02x}");
        key
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operation::{LIST_EXECUTIONS, SHOW_EXECUTION};

    #[test]
    fn a_path_is_put_behind_that_of_the_server_and_a_query_is_escaped() {
        let client = |server: &str| Client::builder(server).build().unwrap();
        let query = json!({ "status": "a&b", "deleted": false, "after": null, "limit": 5, "public": true });
        let call = Call::new(LIST_EXECUTIONS).query(&query).unwrap();

        let url = client("http://x:1/cats/").url(&call).to_string();
        assert!(url.starts_with("http://x:1/cats/api/v1/executions?"), "{url}");
        let mut pairs: Vec<_> = url.split_once('?').unwrap().1.split('&').collect();
        pairs.sort_unstable();
        assert_eq!(pairs, ["limit=5", "public=true", "status=a%26b"]);
        let about = client("http://x:1").url(&Call::about(SHOW_EXECUTION, "exe_1")).to_string();
        assert_eq!(about, "http://x:1/api/v1/executions/exe_1");
    }

    #[test]
    fn keys_are_never_the_same() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());

        assert!(one != other && one.len() == 2 * KEY_BYTES);
    }
}
