//! What a deployment is made of, checked: all that is wrong with it is told at once.

use serde_json::{Map, Value};
use turbocat_domain::{
    deployment::Deployment,
    expression::{looks_like_secret, secret_reference},
    limits,
    problem::Problems,
    value::{Name, SecretName},
};

use super::{DeploymentSettings, name_of};
use crate::{Error, Result};

/// The members of a `config`.
const CONFIG_KEYS: [&str; 2] = ["input", "timeout_ms"];

/// A name and settings that can be stored.
pub(super) struct Checked {
    pub(super) name: Name,
    pub(super) settings: DeploymentSettings,
}

impl Checked {
    /// Checks both.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with everything that is wrong.
    pub(super) fn new(name: &str, settings: DeploymentSettings) -> Result<Self> {
        let mut problems = Problems::default();
        let name = name_of(name).map_err(|message| problems.add("invalid_name", "name", message)).ok();
        if let Some(config) = &settings.config {
            check_config(config, &mut problems);
        }
        if let Some(vars) = &settings.environment_vars {
            check_vars(vars, &mut problems);
        }
        let bounds = [
            ("allocated_memory_mb", settings.allocated_memory_mb, limits::DEPLOYMENT_MEMORY_MB),
            ("allocated_cpu_shares", settings.allocated_cpu_shares, limits::DEPLOYMENT_CPU_SHARES),
        ];
        for (path, value, (least, most)) in bounds {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                problems.add("out_of_range", path, format!("it must be from {least} to {most}"));
            }
        }
        match name {
            Some(name) if problems.is_empty() => Ok(Self { name, settings }),
            _ => Err(Error::Invalid(problems)),
        }
    }
}

impl DeploymentSettings {
    /// Writes what is set into a deployment.
    pub(super) fn write_to(self, deployment: &mut Deployment) {
        let Self { config, environment_vars, allocated_memory_mb, allocated_cpu_shares } = self;
        deployment.config = config.unwrap_or_else(|| deployment.config.take());
        deployment.environment_vars = environment_vars.unwrap_or_else(|| deployment.environment_vars.take());
        deployment.allocated_memory_mb = allocated_memory_mb.unwrap_or(deployment.allocated_memory_mb);
        deployment.allocated_cpu_shares = allocated_cpu_shares.unwrap_or(deployment.allocated_cpu_shares);
    }
}

/// The names of variables, in their order.
pub(super) fn names_of(vars: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = vars.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn check_config(config: &Value, problems: &mut Problems) {
    let Some(members) = object(("config", config), problems) else { return };
    if let Err(error) = limits::DEPLOYMENT_JSON.check(config) {
        problems.add("too_large", "config", error.to_string());
    }
    if let Some(input) = members.get("input").filter(|input| !input.is_object()) {
        object(("config.input", input), problems);
    }
    let most = limits::EXECUTION_TIMEOUT_MS_MAX;
    let is_time = |value: &Value| value.as_u64().is_some_and(|ms| (1..=most).contains(&ms));
    if members.get("timeout_ms").is_some_and(|value| !is_time(value)) {
        problems.add("out_of_range", "config.timeout_ms", format!("it must be a number from 1 to {most}"));
    }
    for key in members.keys().filter(|key| !CONFIG_KEYS.contains(&key.as_str())) {
        let message = "there is no such setting: there are `input` and `timeout_ms`";
        problems.add("unknown_key", format!("config.{key}"), message);
    }
}

fn check_vars(vars: &Value, problems: &mut Problems) {
    let Some(members) = object(("environment_vars", vars), problems) else { return };
    if let Err(error) = limits::DEPLOYMENT_JSON.check(vars) {
        problems.add("too_large", "environment_vars", error.to_string());
    }
    for (name, value) in members {
        let path = format!("environment_vars.{name}");
        if !is_variable(name) {
            let message = "a name is letters, digits and `_`, at most 64 of them, and does not begin with a digit";
            problems.add("invalid_name", path, message);
        } else if looks_like_secret(value)
            && secret_reference(value).is_none_or(|name| SecretName::parse(name).is_err())
        {
            let message = "a secret is named as a whole value: {\"$secret\": \"NAME\"}";
            problems.add("invalid_secret", path, message);
        }
    }
}

/// Whether it can stand behind `env.` in an expression.
fn is_variable(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn object<'a>((path, value): (&str, &'a Value), problems: &mut Problems) -> Option<&'a Map<String, Value>> {
    let members = value.as_object();
    if members.is_none() {
        problems.add("wrong_type", path, "it must be an object");
    }
    members
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(settings: DeploymentSettings) -> Vec<String> {
        match Checked::new("x", settings) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(problems)) => problems.into_iter().map(|problem| problem.path).collect(),
            Err(error) => panic!("{error}"),
        }
    }

    fn with(config: Value, vars: Value) -> DeploymentSettings {
        DeploymentSettings { config: Some(config), environment_vars: Some(vars), ..DeploymentSettings::default() }
    }

    #[test]
    fn what_can_be_used_is_taken() {
        let vars = json!({ "REGION": "eu", "_n1": [1], "TOKEN": { "$secret": "API_TOKEN" }, "on": true });
        assert_eq!(paths(with(json!({ "input": { "a": 1 }, "timeout_ms": 1 }), vars)), [""; 0]);
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let vars = json!({ "1st": 1, "a-b": 1, "T": { "$secret": "a b" }, "U": [{ "$secret": "A" }] });
        let settings = DeploymentSettings {
            allocated_memory_mb: Some(1),
            allocated_cpu_shares: Some(0),
            ..with(json!({ "input": [], "timeout_ms": 0, "replicas": 2 }), vars)
        };
        let mut found = paths(settings);
        found.sort();
        let expected = [
            "allocated_cpu_shares",
            "allocated_memory_mb",
            "config.input",
            "config.replicas",
            "config.timeout_ms",
            "environment_vars.1st",
            "environment_vars.T",
            "environment_vars.U",
            "environment_vars.a-b",
        ];
        assert_eq!(found, expected);
        assert_eq!(paths(with(json!([]), json!(1))), ["config", "environment_vars"]);
        assert_eq!(paths(with(json!({}), json!({ "A": "x".repeat(70_000) }))), ["environment_vars"]);
    }
}
