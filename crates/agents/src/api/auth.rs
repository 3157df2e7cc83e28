//! Authentication of a request: by a secret that is put in last, and named nowhere but in `auth`.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{
    Body, Request,
    header::{AUTHORIZATION, HeaderName},
};
use sha2::Sha256;
use turbocat_domain::{expression::Mapping, step_run::StepError};

use super::{
    config::read_header_name,
    request::{invalid, plain_header, to_text},
};
use crate::{
    config::{CallScope, Reader, Reads, SecretSource},
    secret::{self, Secrets},
};

const TYPES: [&str; 4] = ["bearer", "basic", "header", "hmac"];

/// How a request shows who sends it. Secrets stand in it by their names, or by the inputs that refer to them.
#[derive(Debug)]
pub(super) enum Auth {
    /// `Authorization: Bearer TOKEN`.
    Bearer { token: SecretSource },
    /// `Authorization: Basic …`, as RFC 7617 has it.
    Basic { user: Mapping, password: SecretSource },
    /// A header that is the secret.
    Header { name: HeaderName, value: SecretSource },
    /// A header with the HMAC-SHA256 of the body.
    Hmac { name: HeaderName, key: SecretSource, encoding: Encoding, prefix: String },
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl Auth {
    /// Reads the member `auth`, if there is one.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let value = reader.value("auth")?;
        let mut inner = Reader::at(value, reader.path("auth"));
        let auth = read_members(&mut inner);
        inner.finish(auth).map_err(|problems| reader.problems(problems)).ok()
    }

    /// The header that it sets.
    pub(super) fn header(&self) -> HeaderName {
        match self {
            Self::Bearer { .. } | Self::Basic { .. } => AUTHORIZATION,
            Self::Header { name, .. } | Self::Hmac { name, .. } => name.clone(),
        }
    }

    /// Whether the request must have a body.
    pub(super) const fn signs_body(&self) -> bool {
        matches!(self, Self::Hmac { .. })
    }

    /// Puts the header into a request that is otherwise whole. A secret is used for its own hosts only, and that
    /// holds for the key of a signature, too: a signature is as good as a secret to who wants to pass for its owner.
    pub(super) fn apply(
        &self,
        scope: &CallScope<'_>,
        secrets: &Secrets,
        request: &mut Request,
    ) -> Result<(), StepError> {
        let secret = |source: &SecretSource| {
            let name = source.name(scope)?;
            secret::find(secrets, &name, request.url()).map(|secret| secret.expose().to_owned())
        };
        let text = match self {
            Self::Bearer { token } => format!("Bearer {}", secret(token)?),
            Self::Basic { user, password } => {
                let user = to_text(&scope.evaluate(user)?)?;
                if user.contains(':') {
                    return Err(invalid("the `user` of `auth` holds a colon, which separates it from the password"));
                }
                format!("Basic {}", BASE64.encode(format!("{user}:{}", secret(password)?)))
            }
            Self::Header { value, .. } => secret(value)?,
            Self::Hmac { key, encoding, prefix, .. } => {
                let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
                format!("{prefix}{}", sign(&secret(key)?, body, *encoding)?)
            }
        };
        let name = self.header();
        let mut header = plain_header(&name, &text)?;
        header.set_sensitive(true);
        request.headers_mut().insert(name, header);
        Ok(())
    }
}

/// Every member of a type is read before any is missed, so that all that is wrong is told at once.
fn read_members(reader: &mut Reader<'_>) -> Option<Auth> {
    let kind = reader.required("type", "one of bearer, basic, header, hmac").and_then(|_| reader.word("type", &TYPES));
    match kind {
        Some("bearer") => reader.secret("token").map(|token| Auth::Bearer { token }),
        Some("basic") => {
            let user = reader.required_text("user", "whose password it is");
            let user = user.and_then(|_| reader.mapping("user", Reads::Input));
            let password = reader.secret("password");
            Some(Auth::Basic { user: user?, password: password? })
        }
        Some("header") => {
            let (name, value) = (read_name(reader), reader.secret("value"));
            Some(Auth::Header { name: name?, value: value? })
        }
        Some(_) => {
            let (name, key) = (read_name(reader), reader.secret("key"));
            let encoding = match reader.word("encoding", &["hex", "base64"]) {
                Some("base64") => Encoding::Base64,
                _ => Encoding::Hex,
            };
            let prefix = reader.text("prefix").unwrap_or_default().to_owned();
            Some(Auth::Hmac { name: name?, key: key?, encoding, prefix })
        }
        None => {
            // What belongs to it cannot be said without the type, so none of it is called unknown.
            for key in ["token", "user", "password", "name", "value", "key", "encoding", "prefix"] {
                let _read = reader.value(key);
            }
            None
        }
    }
}

fn read_name(reader: &mut Reader<'_>) -> Option<HeaderName> {
    let name = reader.required_text("name", "the header that it is sent in")?;
    read_header_name(name).map_err(|problem| reader.problem("name", problem)).ok()
}

fn sign(key: &str, body: &[u8], encoding: Encoding) -> Result<String, StepError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| invalid("the key of `auth` is no key"))?;
    mac.update(body);
    let signature = mac.finalize().into_bytes();
    Ok(match encoding {
        Encoding::Base64 => BASE64.encode(signature),
        Encoding::Hex => signature.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            let _infallible = write!(hex, "{byte:02x}");
            hex
        }),
    })
}
