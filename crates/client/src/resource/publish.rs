//! Publishing documents.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error,
    client::{JSON, YAML},
};

/// Documents that are to be published, all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    pub(crate) media_type: &'static str,
    pub(crate) text: String,
    pub(crate) idempotency_key: Option<String>,
}

impl Documents {
    /// Any number of documents of YAML.
    #[must_use]
    pub fn yaml(text: impl Into<String>) -> Self {
        Self { media_type: YAML, text: text.into(), idempotency_key: None }
    }

    /// One document of JSON, as text.
    #[must_use]
    pub fn json(text: impl Into<String>) -> Self {
        Self { media_type: JSON, text: text.into(), idempotency_key: None }
    }

    /// One document.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`].
    pub fn of(document: &impl Serialize) -> Result<Self, Error> {
        Ok(Self::json(serde_json::to_string(document).map_err(Error::Unwritable)?))
    }

    /// What is published.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same with this `Idempotency-Key`.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }
}

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishReport {
    /// The documents: agents first, then workflows, each in the order of their names.
    pub published: Vec<Published>,
    /// What in the documents is understood, but not acted on by this version.
    pub warnings: Vec<Value>,
}

/// A document that is published now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// `agent` or `workflow`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// The active version's id.
    pub id: String,
    /// The active version.
    pub version: u32,
    /// `created`, `updated` or `unchanged`.
    pub change: String,
}
