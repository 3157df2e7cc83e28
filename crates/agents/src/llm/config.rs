//! The configuration of an LLM agent.

use reqwest::Url;
use serde_json::{Value, json};
use turbocat_domain::{
    expression::Mapping,
    problem::{Problem, Problems},
    step_run::StepError,
};

use crate::config::{CallScope, Reader, Reads, parse_mapping};

const ROLES: [&str; 3] = ["system", "user", "assistant"];

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    /// Nobody: the prompt itself, in short.
    Offline,
    /// A server with the `OpenAI` API of chat completions.
    OpenAi,
}

impl Provider {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::OpenAi => "openai",
        }
    }
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: String,
}

/// The configuration of an LLM agent.
#[derive(Debug)]
pub(crate) struct Config {
    pub(super) provider: Option<Provider>,
    pub(super) model: Option<String>,
    pub(super) base_url: Option<Url>,
    /// The name of the secret.
    pub(super) api_key: Option<String>,
    pub(super) temperature: Option<f64>,
    pub(super) max_tokens: Option<u64>,
    /// As the API takes it.
    pub(super) response_format: Option<Value>,
    turns: Vec<(&'static str, Mapping)>,
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        let provider = reader.word("provider", &["offline", "openai"]);
        let model = reader.text("model").map(str::to_owned);
        let base_url = read_base_url(&mut reader);
        let api_key = reader.optional_secret("api_key");
        let system = reader.mapping("system", Reads::Input).map(|system| ("system", system));
        let temperature = reader.number("temperature", &(0.0..=2.0));
        let max_tokens = reader.integer("max_tokens", &(1..=1_000_000));
        let response_format = read_format(&mut reader);
        let turns = read_turns(&mut reader);
        reader.finish(Some(Self {
            provider: provider.map(|name| if name == "offline" { Provider::Offline } else { Provider::OpenAi }),
            model,
            base_url,
            api_key,
            temperature,
            max_tokens,
            response_format,
            turns: system.into_iter().chain(turns).collect(),
        }))
    }

    /// The conversation of one call. What is no text becomes JSON.
    pub(super) fn messages(&self, scope: &CallScope<'_>) -> Result<Vec<Message>, StepError> {
        let message = |(role, mapping): &(&'static str, Mapping)| {
            let content = match scope.evaluate(mapping)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Ok(Message { role, content })
        };
        self.turns.iter().map(message).collect()
    }

    /// Whether the answer is to be JSON.
    pub(super) const fn wants_json(&self) -> bool {
        self.response_format.is_some()
    }
}

fn read_base_url(reader: &mut Reader<'_>) -> Option<Url> {
    let text = reader.text("base_url")?;
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty());
    if url.is_none() {
        reader.problem("base_url", "must be an address that begins with `https://` or `http://`");
    }
    url
}

fn read_format(reader: &mut Reader<'_>) -> Option<Value> {
    match reader.value("response_format")? {
        Value::String(word) if word == "text" => None,
        Value::String(word) if word == "json" => Some(json!({ "type": "json_object" })),
        format @ Value::Object(_) if format.get("type").is_some_and(|kind| kind != "text") => Some(format.clone()),
        _ => {
            reader.problem("response_format", "must be `text`, `json`, or an object as the provider's API takes it");
            None
        }
    }
}

fn read_turns(reader: &mut Reader<'_>) -> Vec<(&'static str, Mapping)> {
    let prompt = reader.mapping("prompt", Reads::Input);
    match (reader.value("prompt"), reader.value("messages")) {
        (Some(_), None) => prompt.map(|prompt| ("user", prompt)).into_iter().collect(),
        (None, Some(Value::Array(messages))) if !messages.is_empty() => {
            messages.iter().enumerate().filter_map(|(index, message)| read_turn(reader, index, message)).collect()
        }
        (None, Some(_)) => {
            reader.problem("messages", "must be a list of at least one `{ \"role\", \"content\" }`");
            Vec::new()
        }
        (Some(_), Some(_)) => {
            reader.problem("messages", "cannot stand beside `prompt`");
            Vec::new()
        }
        (None, None) => {
            reader.problem("prompt", "is missing: what is asked (or `messages`)");
            Vec::new()
        }
    }
}

fn read_turn(reader: &mut Reader<'_>, index: usize, message: &Value) -> Option<(&'static str, Mapping)> {
    let path = reader.path(&format!("messages[{index}]"));
    let mut inner = Reader::at(message, path);
    let role = inner.word("role", &ROLES).unwrap_or("user");
    let content = inner.required("content", "what is said").map(|content| {
        let mapping: Result<Mapping, Vec<Problem>> = parse_mapping(content, &inner.path("content"), Reads::Input);
        mapping.map_err(|problems| inner.problems(problems)).ok()
    });
    match inner.finish(content.flatten()) {
        Ok(content) => Some((role, content)),
        Err(problems) => {
            reader.problems(problems);
            None
        }
    }
}
