//! JSON Schema, behind a port: its implementation is the heaviest library of the build.

use serde_json::Value;

/// Where and how a value breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaProblem {
    /// JSON pointer into the value: `/topic`, empty for the whole.
    pub pointer: String,
    /// What is wrong, for a person.
    pub message: String,
}

impl SchemaProblem {
    /// All problems as one text, each with its place.
    #[must_use]
    pub fn list(problems: &[Self]) -> String {
        let all: Vec<String> = problems.iter().map(|one| format!("`{}` {}", one.pointer, one.message)).collect();
        all.join("; ")
    }
}

/// Checks values against schemas.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait SchemaValidator: Send + Sync {
    /// Checks that a schema is one; never resolves a reference to a file or an address.
    ///
    /// # Errors
    ///
    /// The problems of the schema, located in it.
    fn check(&self, schema: &Value) -> Result<(), Vec<SchemaProblem>>;

    /// Checks a value against a schema that was checked before.
    ///
    /// # Errors
    ///
    /// All the places at which the value breaks the schema.
    fn validate(&self, schema: &Value, value: &Value) -> Result<(), Vec<SchemaProblem>>;
}
