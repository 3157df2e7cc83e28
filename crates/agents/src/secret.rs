//! Secrets for agents, of the operator and of users, each for the hosts that it is meant for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use reqwest::Url;
use turbocat_domain::{agent::AgentType, expression::Mapping, port::AgentCall, step_run::StepError};

use crate::{agents::invalid_config, code};

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

/// Secrets by name: what `${{ secrets.NAME }}` in an agent's configuration means.
pub type Secrets = BTreeMap<String, NamedSecret>;

/// The names of the secrets that a call may need: those that its configuration names.
pub(crate) fn names(call: &AgentCall) -> Result<BTreeSet<String>, StepError> {
    let mut names = BTreeSet::new();
    match call.agent.kind {
        AgentType::Api | AgentType::Llm => {
            // What cannot be parsed is refused with its place, when the call is made.
            if let Ok(mapping) = Mapping::parse(&call.agent.config) {
                names.extend(mapping.references().secrets.iter().cloned());
            }
        }
        AgentType::Code => {
            let declared =
                code::Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?.secrets;
            if !declared.is_empty() && call.agent.user_id != call.user_id {
                let message =
                    "a code agent that uses secrets is run for its owner alone: it could do with them what it likes";
                return Err(StepError::permanent("secret_not_allowed", message));
            }
            names.extend(declared);
        }
        AgentType::Data | AgentType::Workflow => {}
    }
    Ok(names)
}

/// The secret of a name, if it may be sent to the host of this URL.
pub(crate) fn find<'a>(secrets: &'a Secrets, name: &str, url: &Url) -> Result<&'a Secret, StepError> {
    let secret = secrets.get(name).ok_or_else(|| unknown(name))?;
    let host = url.host_str().unwrap_or_default();
    if secret.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        Ok(&secret.value)
    } else {
        let message = format!("the secret `{name}` is not meant for `{host}`; who set it can allow it");
        Err(StepError::permanent("secret_not_allowed", message))
    }
}

/// A secret that neither the owner of the execution nor the operator has.
pub(crate) fn unknown(name: &str) -> StepError {
    let message =
        format!("the owner of this execution has no secret `{name}`: set it with `turbocat secrets set {name}`");
    StepError::permanent("missing_secret", message)
}
