//! JSON Schema checks: the adapter of the domain's [`SchemaValidator`](turbocat_domain::port::SchemaValidator).
//!
//! It is a crate of its own because the library behind it takes longer to compile than the rest of Turbocat.

mod json_schemas;

pub use json_schemas::JsonSchemas;
