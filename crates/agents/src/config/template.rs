//! Mappings in the configurations of agents: `${{ input.x }}`, computed anew for each call.

use std::borrow::Cow;

use serde_json::Value;
use turbocat_domain::{
    expression::{ExpressionError, Mapping, Root, Scope, StepView, secret_reference},
    problem::Problem,
    step_run::StepError,
};

use super::{Reader, WRONG};

/// What a mapping may read beside `input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Nothing.
    Input,
    /// The answer, as `output`.
    Output,
    /// Secrets, each as the whole of a text.
    Secrets,
}

/// What the mappings of one call see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallScope<'a> {
    /// `input`: the call's inputs.
    pub(crate) inputs: &'a Value,
    /// `output`: the answer, once there is one.
    pub(crate) output: Option<&'a Value>,
}

impl Scope for CallScope<'_> {
    fn root(&self, root: Root) -> Option<Cow<'_, Value>> {
        match root {
            Root::Input => Some(Cow::Borrowed(self.inputs)),
            Root::Output => self.output.map(Cow::Borrowed),
            _ => None,
        }
    }

    fn step(&self, _key: &str) -> Option<StepView<'_>> {
        None
    }
}

/// Where a configuration says that a secret comes from.
#[derive(Debug)]
pub(crate) enum SecretSource {
    /// It is named.
    Named(String),
    /// The step hands a reference over.
    Given(Mapping),
}

impl SecretSource {
    /// The name of the secret.
    pub(crate) fn name(&self, scope: &CallScope<'_>) -> Result<String, StepError> {
        let mapping = match self {
            Self::Named(name) => return Ok(name.clone()),
            Self::Given(mapping) => mapping,
        };
        let given = scope.evaluate_with_secrets(mapping)?;
        secret_reference(&given).map(str::to_owned).ok_or_else(|| {
            let message = "what stands in place of a secret is a text: hand `${{ secrets.NAME }}` over in the inputs of \
                           the step";
            StepError::permanent("secret_not_allowed", message)
        })
    }
}

impl CallScope<'_> {
    /// The value of a mapping, in which an input that refers to a secret may stand whole.
    pub(crate) fn evaluate_with_secrets(&self, mapping: &Mapping) -> Result<Value, StepError> {
        let value = mapping.evaluate_with_secrets(self);
        value.map_err(|ExpressionError { code, message }| StepError::permanent(code, message))
    }

    /// The value of a mapping.
    pub(crate) fn evaluate(&self, mapping: &Mapping) -> Result<Value, StepError> {
        mapping.evaluate(self).map_err(|ExpressionError { code, message }| StepError::permanent(code, message))
    }
}

impl Reader<'_> {
    /// A member that is a mapping; what is wrong with it is located inside of it.
    pub(crate) fn mapping(&mut self, key: &'static str, reads: Reads) -> Option<Mapping> {
        let value = self.value(key)?;
        let path = self.path(key);
        let mapping = parse(value, &path, reads);
        mapping.map_err(|problems| self.problems(problems)).ok()
    }
}

impl Reader<'_> {
    /// A secret that must be there, named here or handed over in an input: what stands in a configuration could be
    /// read by everybody who may see the agent, so nothing else is taken.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<SecretSource> {
        let value = self.required(key, "a secret, `${{ secrets.NAME }}`")?;
        let text = value.as_str().map(str::trim).unwrap_or_default();
        let mapping = self.mapping(key, Reads::Secrets)?;
        let references = mapping.references();
        let named = references.secrets.first().filter(|_| value.is_string()).cloned();
        let is_input = text.starts_with("${{") && text.ends_with("}}") && references.roots.contains(&Root::Input);
        match named {
            Some(name) => Some(SecretSource::Named(name)),
            None if is_input => Some(SecretSource::Given(mapping)),
            None => {
                self.problem(
                    key,
                    "must be a secret: `${{ secrets.NAME }}`, or an input that is one: `${{ input.name }}`",
                );
                None
            }
        }
    }

    /// The name of a secret.
    pub(crate) fn optional_secret(&mut self, key: &'static str) -> Option<String> {
        let is_text = self.value(key)?.is_string();
        let mapping = self.mapping(key, Reads::Secrets)?;
        let name = mapping.references().secrets.first().filter(|_| is_text).cloned();
        if name.is_none() {
            self.problem(key, "must be a secret: `${{ secrets.NAME }}`");
        }
        name
    }
}

/// Parses a mapping, and checks that it reads only what there is.
pub(crate) fn parse(value: &Value, path: &str, reads: Reads) -> Result<Mapping, Vec<Problem>> {
    let mapping = Mapping::parse(value).map_err(|problems| {
        let located = problems.into_iter().map(|problem| {
            Problem::new(problem.error.code, format!("{path}{}", problem.pointer), problem.error.message)
        });
        located.collect::<Vec<_>>()
    })?;
    let references = mapping.references();
    let mut problems = Vec::new();
    for root in &references.roots {
        if !(*root == Root::Input || (*root == Root::Output && reads == Reads::Output)) {
            problems.push(unreadable(path, root.as_str()));
        }
    }
    if !references.steps.is_empty() {
        problems.push(unreadable(path, "steps"));
    }
    if !references.secrets.is_empty() && reads != Reads::Secrets {
        problems.push(Problem::new("secret_not_allowed", path, "a secret cannot be used here"));
    }
    if problems.is_empty() { Ok(mapping) } else { Err(problems) }
}

fn unreadable(path: &str, root: &str) -> Problem {
    Problem::new(WRONG, path, format!("`{root}` is not there: an agent sees `input`, which the step gives it"))
}
