//! A conversation, as no provider in particular has it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::{Config, Provider};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// What the author of the agent says beforehand.
    System(String),
    /// What is asked.
    User(String),
    /// What the author has the model say.
    Assistant(String),
    /// What the model said, and which tools it wants called.
    Turn(Box<Turn>),
    /// What came of that.
    Results(Vec<ToolResult>),
}

impl Message {
    /// What is said, for providers that count words.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::System(text) | Self::User(text) | Self::Assistant(text) => text,
            Self::Turn(turn) => &turn.text,
            Self::Results(_) => "",
        }
    }
}

/// A tool, as a model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolSpec {
    pub(super) name: String,
    pub(super) description: String,
    /// The JSON Schema of its input.
    pub(super) input: Value,
}

/// A call of a tool that a model wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ToolCall {
    /// The provider's own name of the call.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Value,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolResult {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) output: Value,
    pub(super) is_error: bool,
}

impl ToolResult {
    /// As text, which is what most providers take.
    pub(super) fn text(&self) -> String {
        match &self.output {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// What a turn cost, in the provider's own count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Usage {
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    /// How many of the input's were read from the provider's cache.
    pub(super) cached_input_tokens: Option<u64>,
    /// Words, where there is no model that has tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    /// The provider's account as it is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) raw: Value,
}

/// An answer of a model. It is recorded as it is, and read from there when the step is run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) provider: Provider,
    pub(super) model: String,
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) calls: Vec<ToolCall>,
    pub(super) usage: Usage,
    pub(super) finish_reason: Value,
    /// The answer in the provider's form, if it wants it back as it was.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) native: Value,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) duration_ms: Option<u64>,
    /// The place in the script, if the turn was played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<usize>,
}

impl Turn {
    /// An answer in words.
    pub(super) fn said(provider: Provider, model: &str, text: impl Into<String>) -> Self {
        Self {
            provider,
            model: model.to_owned(),
            text: text.into(),
            calls: Vec::new(),
            usage: Usage::default(),
            finish_reason: Value::Null,
            native: Value::Null,
            duration_ms: None,
            at: None,
        }
    }

    /// What a ledger of costs takes of it.
    pub(super) fn account(&self) -> Value {
        json!({
            "provider": self.provider,
            "model": self.model,
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "cached_input_tokens": self.usage.cached_input_tokens,
        })
    }
}

/// What a model is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) config: &'a Config,
    pub(super) messages: &'a [Message],
    pub(super) tools: &'a [ToolSpec],
    pub(super) model: &'a str,
}
