//! From the headers of a request to who asks: the gate in front of every route.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State as Extracted},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use turbocat_application::{Actor, Caller, Credential, Error, Origin, RateState};

use crate::{
    Needs, Problem, ProblemCode, State, outage,
    refusal::{unauthenticated, unavailable},
};

/// The cookie of a session. The prefix makes browsers take it only from this host, over TLS (or on this machine).
pub(crate) const SESSION_COOKIE: &str = "__Host-turbocat_session";
const SESSION_TOKEN_START: &str = "tc_session_";
const BEARER: &str = "bearer ";

/// Who asks, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// Who asks, and by what they are known.
    pub(crate) caller: Caller,
    /// From where.
    pub(crate) origin: Origin,
}

impl Who {
    /// Who asks.
    pub(crate) const fn actor(&self) -> Actor {
        self.caller.actor
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // Only a route for everybody has nobody who asks, and its handler asks for nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::new(ProblemCode::Internal))
    }
}

/// Where a request came from, for handlers of routes that need nothing.
pub(crate) struct From(pub(crate) Origin);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get::<Origin>().cloned().unwrap_or_default()))
    }
}

/// Lets a request through to its route, if it has what the route needs. One that gets no answer because the database
/// does not give any is told so soon.
pub(crate) async fn gate(
    Extracted((state, needs)): Extracted<(State, Needs)>,
    request: Request,
    next: Next,
) -> Response {
    let readiness = Arc::clone(&state.readiness);
    tokio::select! {
        biased;
        response = pass((state, needs), request, next) => response,
        () = outage::begun(readiness.as_ref()) => unavailable().into_response(),
    }
}

async fn pass((state, needs): (State, Needs), mut request: Request, next: Next) -> Response {
    if needs == Needs::Nothing {
        return next.run(request).await;
    }
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    // The body of a request is not to be shared between threads, its head is.
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let who = match identify(&state, (&method, &headers), origin).await {
        Ok(who) => who,
        Err(problem) => return problem.into_response(),
    };
    let rate = who.caller.rate;
    if let Needs::Permission(permission) = needs
        && let Err(refused) = who.actor().ensure(permission)
    {
        return with_rate(Problem::from(refused).into_response(), rate);
    }
    tracing::Span::current().record("user.id", tracing::field::display(who.actor().id));
    request.extensions_mut().insert(who);
    with_rate(next.run(request).await, rate)
}

async fn identify(state: &State, (method, headers): (&Method, &HeaderMap), origin: Origin) -> Result<Who, Problem> {
    let (token, is_cookie) = match bearer(headers) {
        Some(token) => (token, false),
        None => (cookie(headers).ok_or_else(unauthenticated)?, true),
    };
    if is_cookie && !method.is_safe() && !is_same_origin(headers) {
        return Err(Problem::new(ProblemCode::CrossSite)
            .with_detail("a session is used for changes by the pages of this server alone: programs use an API key"));
    }
    let credential =
        if token.starts_with(SESSION_TOKEN_START) { Credential::Session(token) } else { Credential::Key(token) };
    if is_cookie && matches!(credential, Credential::Key(_)) {
        return Err(unauthenticated());
    }
    let caller = state.access.authenticate(credential, &origin).await.map_err(|error| match error {
        Error::Unauthenticated => unauthenticated(),
        error => Problem::from(error),
    })?;
    Ok(Who { caller, origin })
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim())
}

/// The token of the cookie. Of several cookies of the name none is taken: one of them is somebody else's doing.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Whether a browser says that a page of this server sent the request. One that says nothing does not say so.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")) == Some(host)
}

/// Says how the rate of the key stands.
fn with_rate(mut response: Response, rate: Option<RateState>) -> Response {
    if let Some(RateState { limit, remaining, .. }) = rate {
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", HeaderValue::from(limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(remaining));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_bearer_token_is_taken_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer(&headers(&[("authorization", "Bearer  abc ")])), Some("abc"));
        assert_eq!(bearer(&headers(&[("authorization", "bEARER abc")])), Some("abc"));
        for other in ["Basic abc", "Bearer", "abc", ""] {
            assert_eq!(bearer(&headers(&[("authorization", other)])), None, "{other}");
        }
    }

    #[test]
    fn a_cookie_is_taken_if_there_is_one_of_its_name() {
        let cookie = |values: &[&'static str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
            cookie(&headers(&pairs)).map(str::to_owned)
        };

        assert_eq!(cookie(&["a=1; __Host-turbocat_session=x; b=2"]).as_deref(), Some("x"));
        assert_eq!(cookie(&["__Host-turbocat_session=x; __Host-turbocat_session=y"]), None);
        assert_eq!(cookie(&["__Host-turbocat_session=x", "__Host-turbocat_session=y"]), None);
        assert_eq!(cookie(&["turbocat_session=x"]), None);
    }

    #[test]
    fn a_change_must_come_from_a_page_of_this_server() {
        let same = [
            headers(&[("sec-fetch-site", "same-origin")]),
            headers(&[("origin", "http://cat.example:8484"), ("host", "cat.example:8484")]),
        ];
        let other = [
            headers(&[]),
            headers(&[("sec-fetch-site", "cross-site")]),
            headers(&[("sec-fetch-site", "same-site"), ("origin", "http://a"), ("host", "a")]),
            headers(&[("sec-fetch-site", "none")]),
            headers(&[("origin", "null"), ("host", "cat.example")]),
            headers(&[("origin", "https://evil.example"), ("host", "cat.example")]),
            headers(&[("origin", "https://cat.example.evil.example"), ("host", "cat.example")]),
            headers(&[("host", "cat.example")]),
        ];

        assert!(same.iter().all(is_same_origin));
        assert!(!other.iter().any(is_same_origin));
    }
}
