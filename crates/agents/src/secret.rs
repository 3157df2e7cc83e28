//! Secrets that the operator provides to agents, each for the hosts that it is meant for.

use std::{collections::BTreeMap, fmt};

use reqwest::Url;
use turbocat_domain::step_run::StepError;

/// A text that is never printed, and cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret and where it may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecret {
    /// The secret.
    pub value: Secret,
    /// The hosts that it may be sent to; it is sent to no other.
    pub hosts: Vec<String>,
}

/// The operator's secrets by name: what `${{ secrets.NAME }}` in an agent's configuration means.
pub type Secrets = BTreeMap<String, NamedSecret>;

/// The secret of a name, if it may be sent to the host of this URL.
pub(crate) fn find<'a>(secrets: &'a Secrets, name: &str, url: &Url) -> Result<&'a Secret, StepError> {
    let unknown = || StepError::permanent("missing_secret", format!("there is no secret `{name}` on this server"));
    let secret = secrets.get(name).ok_or_else(unknown)?;
    let host = url.host_str().unwrap_or_default();
    if secret.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        Ok(&secret.value)
    } else {
        let message = format!("the secret `{name}` is not meant for `{host}`; who operates the server can allow it");
        Err(StepError::permanent("secret_not_allowed", message))
    }
}
