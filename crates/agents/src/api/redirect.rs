//! Follows redirects by hand: each target is looked at by the way out like a first one.
//!
//! # Invariants
//!
//! 1. What shows who sends a request goes to the origin that it was made for, and to no other: it is dropped at the
//!    first change of scheme, host or port, and does not come back.
//! 2. Nobody leads from https to http.

use std::time::Duration;

use reqwest::{
    Method, Request, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, PROXY_AUTHORIZATION},
};
use tokio::time::Instant;
use turbocat_domain::step_run::StepError;

use super::Config;
use crate::egress::{Answer, EgressClient};

/// The redirects of one request, if its configuration names no other number.
pub(super) const REDIRECTS_DEFAULT: u32 = 5;
/// The redirects of one request, whatever is configured.
pub(super) const REDIRECTS_MAX: u32 = 10;

/// Sends requests on behalf of one call, all within one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) egress: &'a EgressClient,
    pub(super) config: &'a Config,
    pub(super) deadline: Instant,
}

/// An answer, and where it came from.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) url: Url,
    pub(super) answer: Answer,
}

impl Sender<'_> {
    /// Sends a request, and goes where the answers lead.
    pub(super) async fn send(&self, mut request: Request) -> Result<Arrived, StepError> {
        let most = self.config.redirects;
        let mut followed = 0;
        loop {
            let (url, method) = (request.url().clone(), request.method().clone());
            let again = request.try_clone();
            let left = self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let answer = self.egress.send(request, left).await?;
            let next = self.target(&answer, &url)?.zip(again);
            let Some((target, again)) = next.filter(|_| most > 0) else { return Ok(Arrived { url, answer }) };
            if followed == most {
                let message =
                    format!("the other side leads on more than {most} times; the last time to {}", shown(&target));
                return Err(StepError::permanent("too_many_redirects", message));
            }
            followed += 1;
            request = redirected(again, (method, answer.status), target);
        }
    }

    /// Where the answer leads, if it leads anywhere and nobody wants to see it as it is.
    fn target(&self, answer: &Answer, from: &Url) -> Result<Option<Url>, StepError> {
        let leads = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        if !leads || self.config.accept_status.contains(&answer.status.as_u16()) {
            return Ok(None);
        }
        let Some(location) = answer.headers.get(LOCATION) else { return Ok(None) };
        let location = String::from_utf8_lossy(location.as_bytes());
        let mut target = from.join(location.trim()).map_err(|error| {
            StepError::permanent(
                "http_bad_answer",
                format!("the other side leads to `{location}`, which is no URL: {error}"),
            )
        })?;
        if from.scheme() == "https" && target.scheme() == "http" {
            let message = format!("the other side leads from https to http, to {}", shown(&target));
            return Err(StepError::permanent("egress_denied", message));
        }
        // Who is led somewhere brings no name and password that stand in the address. Both fail for URLs without a
        // host, which the way out refuses.
        let _hostless = target.set_username("").and(target.set_password(None));
        if target.fragment().is_none() {
            target.set_fragment(from.fragment());
        }
        Ok(Some(target))
    }
}

/// The request that follows a redirect, as RFC 9110 has it: 303 asks for another thing with GET, and so do 301 and 302
/// after POST; all else is repeated as it was.
fn redirected(mut request: Request, (method, status): (Method, StatusCode), target: Url) -> Request {
    let becomes_get = match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    };
    if becomes_get {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        request.headers_mut().remove(CONTENT_TYPE);
        request.headers_mut().remove(CONTENT_LENGTH);
    }
    if !is_same_origin(request.url(), &target) {
        drop_credentials(request.headers_mut());
    }
    *request.url_mut() = target;
    request
}

/// Whether what was meant for one is meant for the other, too.
pub(super) fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Takes out what shows who sends a request: every header that was made of a secret, and those that are known to.
pub(super) fn drop_credentials(headers: &mut HeaderMap) {
    let named = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
    let shows = headers.iter().filter(|(name, value)| value.is_sensitive() || named.contains(*name));
    let shows: Vec<_> = shows.map(|(name, _)| name.clone()).collect();
    for name in shows {
        headers.remove(name);
    }
}

/// A URL without its query, for a message.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
