//! How a client is made.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Url,
    header::{self, HeaderMap, HeaderValue},
    redirect,
};

use crate::{
    Client, Error, Retries,
    client::{Inner, Patience},
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a stream tries to come back.
const STREAM_PATIENCE: Duration = Duration::from_mins(2);
/// The server says something on a stream each quarter of a minute; who hears nothing for so long is cut off.
const STREAM_SILENCE_MAX: Duration = Duration::from_secs(45);
const USER_AGENT: &str = concat!("turbocat-client/", env!("CARGO_PKG_VERSION"));

/// What a client is to be like.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    server: String,
    api_key: Option<Key>,
    user_agent: String,
    connect_timeout: Duration,
    timeout: Duration,
    patience: Patience,
    retries: Retries,
    proxy: bool,
}

/// A key that is in no log.
#[derive(Clone)]
struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl ClientBuilder {
    pub(crate) fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            api_key: None,
            user_agent: USER_AGENT.to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            patience: Patience { stream: STREAM_PATIENCE, silence_max: STREAM_SILENCE_MAX },
            retries: Retries::default(),
            proxy: true,
        }
    }

    /// The API key that all requests carry: `tc_live_…`.
    pub fn api_key(self, key: impl Into<String>) -> Self {
        Self { api_key: Some(Key(key.into())), ..self }
    }

    /// What the program is called: it is in the server's audit log.
    pub fn user_agent(self, name: impl Into<String>) -> Self {
        Self { user_agent: name.into(), ..self }
    }

    /// How long a connection may take to be made: 10 seconds without.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// How long each attempt of a request may take: 30 seconds without. What a start waits for the end comes on top; a
    /// stream has no such limit.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long a stream that has broken tries to come back: 2 minutes without.
    pub fn stream_patience(self, patience: Duration) -> Self {
        Self { patience: Patience { stream: patience, ..self.patience }, ..self }
    }

    /// How often and how soon requests are sent again.
    pub fn retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Uses no proxy, whatever the environment says.
    pub fn without_proxy(self) -> Self {
        Self { proxy: false, ..self }
    }

    /// Makes the client. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// If the address is not that of a server, or the key or the name cannot be sent.
    pub fn build(self) -> Result<Client, Error> {
        let base = base(&self.server)?;
        // Another part of the process may have chosen a provider already, which is as good.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let headers = self.headers()?;
        let http = self.http(headers.clone()).build();
        // A machine without root certificates can still speak http.
        let http = http.or_else(|_| self.http(headers).tls_certs_only([]).build()).map_err(Error::Setup)?;
        let Self { timeout, patience, retries, .. } = self;
        Ok(Client(Arc::new(Inner { http, base, timeout, patience, retries })))
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        let user_agent = HeaderValue::from_str(&self.user_agent).map_err(|_| Error::Header { what: "user agent" })?;
        headers.insert(header::USER_AGENT, user_agent);
        if let Some(Key(key)) = &self.api_key {
            let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut bearer = bearer.map_err(|_| Error::Header { what: "API key" })?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        Ok(headers)
    }

    fn http(&self, headers: HeaderMap) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(self.connect_timeout)
            .redirect(redirect::Policy::none())
            .referer(false);
        if self.proxy { builder } else { builder.no_proxy() }
    }
}

/// The address of a server, to which paths are appended.
fn base(text: &str) -> Result<Url, Error> {
    let refused = |reason: &str| Error::Address { text: text.to_owned(), reason: reason.to_owned() };
    let form = "it is written as http://HOST:PORT or https://HOST";
    let url = Url::parse(text.trim()).map_err(|error| refused(&format!("{error}; {form}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refused(form));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It is not repeated: it may be a password.
        let reason = "it has a user or a password in it; who asks is said by the API key".to_owned();
        return Err(Error::Address { text: url.host_str().unwrap_or_default().to_owned(), reason });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("it has a query or a fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_server() {
        for right in ["http://127.0.0.1:8484", "https://flows.example.com/turbocat/", " http://[::1]:80 "] {
            assert!(base(right).is_ok(), "{right}");
        }
        for wrong in ["localhost:8484", "127.0.0.1:8484", "", "ftp://x", "http://", "http://x?a=b", "http://u:pw@x"] {
            let error = base(wrong).unwrap_err().to_string();
            assert!(error.contains("is not the address of a server") && !error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn a_key_is_in_no_log_and_one_that_cannot_be_sent_is_refused() {
        let builder = ClientBuilder::new("http://x").api_key("tc_live_abc");
        assert!(!format!("{builder:?}").contains("tc_live") && !format!("{:?}", builder.build()).contains("tc_live"));

        let error = ClientBuilder::new("http://x").api_key("tc_live\n").build().unwrap_err();
        assert!(matches!(error, Error::Header { what: "API key" }), "{error}");
    }
}
