//! Schemas, compiled once and kept by content.
//!
//! # Invariants
//!
//! 1. Nothing outside the schema is ever read: a reference to a file or an address is a problem of the schema.
//! 2. No pattern takes more than linear time: look-around and back-references are refused when the schema is checked.
//! 3. However large the value, what is reported about it is small: at most [`PROBLEMS_MAX`] problems of at most
//!    [`MESSAGE_MAX`] bytes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use turbocat_domain::port::{SchemaProblem, SchemaValidator};

/// The most problems that one check reports.
const PROBLEMS_MAX: usize = 100;
/// The longest message that quotes the value, in bytes; a longer one says `value` instead.
const MESSAGE_MAX: usize = 240;
/// The most compiled schemas that are kept; past it the cache starts anew.
const CACHE_MAX: usize = 512;
/// The largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Checks values against JSON Schemas (draft 2020-12 unless `$schema` says otherwise), `format` included.
#[derive(Debug, Default)]
pub struct JsonSchemas {
    compiled: Mutex<HashMap<Value, Arc<Validator>>>,
}

impl JsonSchemas {
    /// The compiled form of a schema, made at its first use.
    fn compiled(&self, schema: &Value) -> Result<Arc<Validator>, Vec<SchemaProblem>> {
        if let Some(validator) = self.lock().get(schema) {
            return Ok(Arc::clone(validator));
        }
        let validator = Arc::new(compile(schema)?);
        let mut compiled = self.lock();
        if compiled.len() >= CACHE_MAX {
            compiled.clear();
        }
        compiled.insert(schema.clone(), Arc::clone(&validator));
        Ok(validator)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Value, Arc<Validator>>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SchemaValidator for JsonSchemas {
    fn check(&self, schema: &Value) -> Result<(), Vec<SchemaProblem>> {
        self.compiled(schema).map(drop)
    }

    fn validate(&self, schema: &Value, value: &Value) -> Result<(), Vec<SchemaProblem>> {
        let validator = self.compiled(schema)?;
        match problems_of(validator.iter_errors(value)) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems),
        }
    }
}

/// Compiles a schema, after its meta-schema has located everything that is wrong with its form.
fn compile(schema: &Value) -> Result<Validator, Vec<SchemaProblem>> {
    let meta = jsonschema::meta::validator_for(schema).map_err(|error| vec![problem_of(&error)])?;
    let problems = problems_of(meta.iter_errors(schema));
    if !problems.is_empty() {
        return Err(problems);
    }
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .build(schema)
        .map_err(|error| vec![problem_of(&error)])
}

fn problems_of<'a>(errors: impl Iterator<Item = ValidationError<'a>>) -> Vec<SchemaProblem> {
    errors.take(PROBLEMS_MAX).map(|error| problem_of(&error)).collect()
}

fn problem_of(error: &ValidationError<'_>) -> SchemaProblem {
    let quoting = error.to_string();
    let message = if quoting.len() <= MESSAGE_MAX { quoting } else { cut(error.masked().to_string()) };
    SchemaProblem { pointer: error.instance_path().as_str().to_owned(), message }
}

/// Cuts a message that is long for another reason than the value: a schema's own enumeration, say.
fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_MAX));
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(result: Result<(), Vec<SchemaProblem>>) -> Vec<String> {
        result.unwrap_err().into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn every_place_at_which_a_value_breaks_its_schema_is_reported() {
        let schema = json!({
            "type": "object",
            "required": ["topic"],
            "properties": { "limit": { "type": "integer", "maximum": 5 }, "tags": { "items": { "type": "string" } } },
        });

        let value = json!({ "limit": 9, "tags": ["a", 1, 2] });
        let mut found = pointers(JsonSchemas::default().validate(&schema, &value));

        found.sort();
        assert_eq!(found, ["", "/limit", "/tags/1", "/tags/2"]);
    }

    #[test]
    fn a_value_that_fits_passes_and_formats_count() {
        let schemas = JsonSchemas::default();
        let schema = json!({ "type": "string", "format": "email" });

        assert_eq!(schemas.validate(&schema, &json!("a@turbocat.dev")), Ok(()));
        assert_eq!(pointers(schemas.validate(&schema, &json!("nobody"))), [""]);
    }

    #[test]
    fn all_that_is_wrong_with_a_schema_is_located_in_it() {
        let schema = json!({
            "type": "objekt",
            "properties": { "a": { "type": 7 }, "b": { "minLength": -1 } },
        });

        let mut found = pointers(JsonSchemas::default().check(&schema));

        found.sort();
        assert_eq!(found, ["/properties/a/type", "/properties/b/minLength", "/type"]);
    }

    #[test]
    fn a_reference_to_a_file_or_an_address_is_refused_without_reading_it() {
        for reference in ["file:///etc/hostname", "https://example.com/schema.json", "../schema.json"] {
            assert!(JsonSchemas::default().check(&json!({ "$ref": reference })).is_err(), "{reference} was accepted");
        }
    }

    #[test]
    fn a_pattern_that_could_backtrack_is_refused_and_a_nested_one_is_linear() {
        let schemas = JsonSchemas::default();
        assert!(schemas.check(&json!({ "pattern": "^(?=a)(a+)\\1$" })).is_err());

        let text = format!("{}b", "a".repeat(50_000));
        assert_eq!(pointers(schemas.validate(&json!({ "pattern": "^(a+)+$" }), &json!(text))), [""]);
    }

    #[test]
    fn reports_stay_small_however_large_the_value_is() {
        let schemas = JsonSchemas::default();
        let long = schemas.validate(&json!({ "type": "integer" }), &json!("x".repeat(1 << 20))).unwrap_err();
        assert_eq!(long[0].message, "value is not of type \"integer\"");

        let many = schemas.validate(&json!({ "items": false }), &json!(vec![0; 10_000])).unwrap_err();
        assert!(many.len() <= PROBLEMS_MAX);
    }

    #[test]
    fn a_schema_is_compiled_once() {
        let schemas = JsonSchemas::default();
        let schema = json!({ "type": "string" });
        for _ in 0..3 {
            assert_eq!(schemas.validate(&schema.clone(), &json!("a")), Ok(()));
        }
        assert_eq!(schemas.lock().len(), 1);

        for n in 0..=CACHE_MAX {
            schemas.check(&json!({ "maxLength": n })).unwrap();
        }
        assert!(schemas.lock().len() <= CACHE_MAX);
    }
}
