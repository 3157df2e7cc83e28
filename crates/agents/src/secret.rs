//! Secrets for agents, of the operator and of users, each for the hosts that it is meant for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use reqwest::Url;
use serde_json::Value;
use turbocat_domain::{
    agent::AgentType,
    expression::{Mapping, looks_like_secret, secret_reference, secret_references},
    port::AgentCall,
    step_run::StepError,
};

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

/// The names of the secrets that a call may need: those that its configuration names, and those that the step hands
/// over by reference. Nothing that an agent is given makes it use a secret in a place where its type uses none.
pub(crate) fn names(call: &AgentCall) -> Result<BTreeSet<String>, StepError> {
    if looks_like_secret(&call.agent.parameters) {
        let message = "the parameters of an agent hold no secrets: name them in its configuration, or in the step";
        return Err(not_allowed(message));
    }
    let given = secret_references(&call.inputs);
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
                return Err(not_allowed(message));
            }
            if let Some(name) = given.iter().find(|name| !declared.iter().any(|declared| declared == *name)) {
                return Err(not_allowed(format!(
                    "the step hands the secret `{name}` to a program that does not declare it: name it in `secrets` of \
                     the agent's configuration"
                )));
            }
            names.extend(declared);
        }
        AgentType::Data | AgentType::Workflow => {}
    }
    match given.first() {
        Some(name) if !matches!(call.agent.kind, AgentType::Api | AgentType::Code) => Err(not_allowed(format!(
            "the step hands the secret `{name}` to an agent of type `{}`, which has no place for it: secrets are for the \
             headers and `auth` of api agents, and for programs that declare them",
            call.agent.kind
        ))),
        _ => {
            names.extend(given.into_iter().map(str::to_owned));
            Ok(names)
        }
    }
}

/// The inputs with the values of the secrets that they refer to, for the one program that is given them.
pub(crate) fn fill(inputs: &Value, secrets: &Secrets) -> Result<Value, StepError> {
    if let Some(name) = secret_reference(inputs) {
        return secrets.get(name).map(|secret| Value::from(secret.value.expose())).ok_or_else(|| unknown(name));
    }
    Ok(match inputs {
        Value::Array(items) => items.iter().map(|item| fill(item, secrets)).collect::<Result<_, _>>()?,
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, item)| Ok((key.clone(), fill(item, secrets)?)))
                .collect::<Result<_, StepError>>()?,
        ),
        other => other.clone(),
    })
}

fn not_allowed(message: impl Into<String>) -> StepError {
    StepError::permanent("secret_not_allowed", message)
}

/// The secret of a name, if it may be sent to the host of this URL.
pub(crate) fn find<'a>(secrets: &'a Secrets, name: &str, url: &Url) -> Result<&'a Secret, StepError> {
    let secret = secrets.get(name).ok_or_else(|| unknown(name))?;
    let host = url.host_str().unwrap_or_default();
    if secret.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        Ok(&secret.value)
    } else {
        let message = format!("the secret `{name}` is not meant for `{host}`; who set it can allow it");
        Err(not_allowed(message))
    }
}

/// A secret that neither the owner of the execution nor the operator has.
pub(crate) fn unknown(name: &str) -> StepError {
    let message =
        format!("the owner of this execution has no secret `{name}`: set it with `turbocat secrets set {name}`");
    StepError::permanent("missing_secret", message)
}
