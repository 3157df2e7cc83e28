//! LLM agents: a conversation with a language model, which may call tools.
//!
//! ```json
//! {
//!   "provider": "openai",
//!   "model": "gpt-4o-mini",
//!   "system": "You are brief.",
//!   "prompt": "Summarise: ${{ input.text }}",
//!   "tools": [{ "agent": "search" }, { "workflow": "refund", "description": "Pays back." }],
//!   "max_turns": 12,
//!   "output_schema": { "type": "object", "required": ["summary"] },
//!   "fallback": [{ "provider": "anthropic", "model": "claude-haiku-4-5" }]
//! }
//! ```
//!
//! `messages` (a list of `{ "role", "content" }`) may stand in place of `prompt`. Providers are `openai`, which
//! speaks to any server with that API, `anthropic`, `gemini`, and `offline`, which needs no network: it gives back what
//! stands in the prompt, in short, or plays a `script`. Which one is meant if none is named depends on which keys the
//! operator gave. A `base_url` of the agent's own goes with an `api_key` of its own, `"${{ secrets.NAME }}"`.
//!
//! The answer is `{ "text", "model", "provider", "usage", "finish_reason", "turns" }`, and `json` beside it if JSON was
//! asked for. Each turn and each call of a tool is a part of the step, durable by itself: see [`conversation`].

mod chat;
mod config;
mod conversation;
mod cost;
mod exchange;
mod models;
mod parts;
mod provider;
mod script;
mod stream;
mod tool;

use std::{fmt, sync::Arc};

use serde_json::Value;
use turbocat_domain::{
    port::{AgentCall, AgentRunner, LogSink, SchemaValidator},
    problem::Problems,
    step_run::StepError,
};

use self::conversation::Conversation;
pub use self::models::{LlmConfig, LlmEndpoint};
pub(crate) use self::{config::Config, models::Models};
use crate::{
    agents::invalid_config, egress::EgressClient, host::ChildHost, mcp::Mcp, redaction::Redactor, secret::Secrets,
};

/// Checks JSON against schemas: the inputs of tools, the answers of models.
#[derive(Clone)]
pub struct Schemas(Arc<dyn SchemaValidator>);

impl Schemas {
    /// Wraps a validator.
    #[must_use]
    pub fn new(validator: Arc<dyn SchemaValidator>) -> Self {
        Self(validator)
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schemas")
    }
}

/// What the agents of a server share.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) models: &'a Models,
    pub(crate) egress: &'a EgressClient,
    pub(crate) mcp: &'a Mcp,
    /// Starts the programs of MCP servers.
    pub(crate) children: &'a ChildHost,
    pub(crate) secrets: &'a Secrets,
    pub(crate) schemas: &'a dyn SchemaValidator,
    pub(crate) redactor: &'a Redactor,
    /// Runs agents that are called as tools.
    pub(crate) runner: &'a dyn AgentRunner,
    pub(crate) log: &'a Arc<dyn LogSink>,
}

impl Schemas {
    /// The validator.
    pub(crate) fn validator(&self) -> &dyn SchemaValidator {
        &*self.0
    }
}

/// Checks what the form of a configuration does not show: that its schemas are some.
pub(crate) fn check(config: &Value, schemas: &Schemas) -> Result<(), Problems> {
    let config = Config::read(config)?;
    let mut problems = Problems::default();
    for (place, schema) in config.schemas() {
        for problem in schemas.0.check(schema).err().into_iter().flatten() {
            problems.add("invalid_schema", format!("{place}{}", problem.pointer), problem.message);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Runs one attempt.
pub(crate) async fn run(call: &AgentCall, around: Surroundings<'_>) -> Result<Value, StepError> {
    let config = Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?;
    Conversation::new(call, around, &config)?.hold().await
}
