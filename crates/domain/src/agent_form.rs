//! What an agent is given and gives must have the forms that it says.

use serde_json::Value;

use crate::{
    agent::Agent,
    expression::{secret_reference, secret_references},
    port::{SchemaProblem, SchemaValidator},
    step_run::StepError,
};

/// Checks what an agent is given, parameters included. An agent that says no form costs nothing.
///
/// # Errors
///
/// `input_invalid`, with every place that is wrong: another attempt would be given the same.
pub fn check_input(agent: &Agent, inputs: &Value, schemas: &dyn SchemaValidator) -> Result<(), StepError> {
    let Some(schema) = agent.input_schema() else { return Ok(()) };
    // A secret is a text, whatever stands for it until the agent has it.
    let checked = if secret_references(inputs).is_empty() {
        schemas.validate(schema, inputs)
    } else {
        schemas.validate(schema, &with_texts(inputs))
    };
    checked.map_err(|problems| {
        misfit("input_invalid", &format!("the agent {} does not take its inputs", agent.name), &problems)
    })
}

/// Checks what an agent gives.
///
/// # Errors
///
/// `output_invalid`, with every place that is wrong.
pub fn check_output(agent: &Agent, output: &Value, schemas: &dyn SchemaValidator) -> Result<(), StepError> {
    let Some(schema) = agent.output_schema() else { return Ok(()) };
    let checked = schemas.validate(schema, output);
    checked.map_err(|problems| {
        misfit("output_invalid", &format!("the agent {} gave what it says it does not", agent.name), &problems)
    })
}

fn misfit(code: &str, what: &str, problems: &[SchemaProblem]) -> StepError {
    StepError::permanent(code, format!("{what}: {}", SchemaProblem::list(problems)))
}

/// The inputs with a text in place of each reference to a secret.
fn with_texts(inputs: &Value) -> Value {
    if let Some(name) = secret_reference(inputs) {
        return Value::from(name);
    }
    match inputs {
        Value::Array(items) => items.iter().map(with_texts).collect(),
        Value::Object(members) => members.iter().map(|(key, item)| (key.clone(), with_texts(item))).collect(),
        other => other.clone(),
    }
}
