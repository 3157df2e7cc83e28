//! LLM agents: one question to a language model.
//!
//! ```json
//! {
//!   "provider": "openai",
//!   "model": "gpt-4o-mini",
//!   "system": "You are brief.",
//!   "prompt": "Summarise: ${{ input.text }}",
//!   "temperature": 0.2,
//!   "max_tokens": 400,
//!   "response_format": "json"
//! }
//! ```
//!
//! `messages` (a list of `{ "role", "content" }`) may stand in place of `prompt`. Providers are `openai`, which
//! speaks to any server with that API, and `offline`, which needs no network: it gives back what stands in the
//! prompt, in short. Which one is meant if none is named depends on whether the operator gave a key. A `base_url`
//! of the agent's own goes with an `api_key` of its own, `"${{ secrets.NAME }}"`.
//!
//! The answer is `{ "text", "model", "provider", "usage", "finish_reason" }`, and `json` beside it if JSON was asked
//! for.

mod config;
mod offline;
mod openai;

use reqwest::Url;
use serde_json::{Map, Value};
use turbocat_domain::{port::AgentCall, step_run::StepError};

pub(crate) use self::config::Config;
use self::config::{Message, Provider};
use crate::{
    AgentsError,
    agents::invalid_config,
    config::CallScope,
    egress::{EgressClient, EgressPolicy},
    secret::{Secret, Secrets},
};

/// The language models that the operator provides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmConfig {
    /// Where the API is, up to `/chat/completions`; `None` for that of `OpenAI` itself.
    pub base_url: Option<String>,
    /// The key of that API. Without key and `base_url` agents that name no provider are answered offline.
    pub api_key: Option<Secret>,
    /// The model of agents that name none.
    pub model: Option<String>,
}

const OPENAI: &str = "https://api.openai.com/v1";
const DEFAULT_MODEL: &str = "gpt-4o-mini";

/// The operator's models, ready to be asked.
#[derive(Debug)]
pub(crate) struct Models {
    base_url: Url,
    api_key: Option<Secret>,
    model: String,
    default_provider: Provider,
    /// Reaches the operator's API wherever it is, for it was the operator who named it.
    egress: EgressClient,
}

impl Models {
    pub(crate) fn new(config: LlmConfig, policy: &EgressPolicy) -> Result<Self, AgentsError> {
        let configured = config.api_key.is_some() || config.base_url.is_some();
        let text = config.base_url.unwrap_or_else(|| OPENAI.to_owned());
        let base_url = Url::parse(&text).ok().filter(Url::has_host).ok_or(AgentsError::LlmBaseUrl(text))?;
        let host = base_url.host_str().unwrap_or_default();
        let egress = EgressClient::new(policy.clone().and_host(host)).map_err(AgentsError::Http)?;
        Ok(Self {
            base_url,
            api_key: config.api_key,
            model: config.model.unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            default_provider: if configured { Provider::OpenAi } else { Provider::Offline },
            egress,
        })
    }
}

/// What the agents of a server share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) models: &'a Models,
    pub(crate) egress: &'a EgressClient,
    pub(crate) secrets: &'a Secrets,
}

/// What is asked, with all mappings computed.
#[derive(Debug)]
struct Question {
    config: Config,
    messages: Vec<Message>,
}

/// What a model answered.
#[derive(Debug)]
struct Reply {
    text: String,
    model: String,
    usage: Value,
    finish_reason: Value,
}

/// Runs one attempt.
pub(crate) async fn run(call: &AgentCall, around: Surroundings<'_>) -> Result<Value, StepError> {
    let config = Config::read(&call.agent.config).map_err(|problems| invalid_config(&problems))?;
    let messages = config.messages(&CallScope { inputs: &call.inputs, output: None })?;
    let question = Question { config, messages };
    let provider = question.config.provider.unwrap_or(around.models.default_provider);
    let reply = match provider {
        Provider::Offline => offline::answer(&question),
        Provider::OpenAi => openai::ask(&question, call, around).await?,
    };
    to_output(reply, provider, question.config.wants_json())
}

fn to_output(reply: Reply, provider: Provider, wants_json: bool) -> Result<Value, StepError> {
    let Reply { text, model, usage, finish_reason } = reply;
    let mut output = Map::new();
    if wants_json {
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            StepError::transient("llm_bad_answer", format!("the model was asked for JSON and gave none: {error}"))
        })?;
        output.insert("json".to_owned(), value);
    }
    let rest = [
        ("text", Value::String(text)),
        ("model", Value::String(model)),
        ("provider", Value::from(provider.as_str())),
        ("usage", usage),
        ("finish_reason", finish_reason),
    ];
    output.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    Ok(Value::Object(output))
}
