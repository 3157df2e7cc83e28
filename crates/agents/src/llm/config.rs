//! The configuration of an LLM agent.

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use turbocat_domain::{
    expression::Mapping,
    limits,
    problem::{Problem, Problems},
    step_run::StepError,
};

use super::{chat::Message, script::Script, tool::Tool};
use crate::config::{CallScope, Reader, Reads, parse_mapping};

const ROLES: [&str; 3] = ["system", "user", "assistant"];
const REPAIRS_DEFAULT: u64 = 2;
const FALLBACKS_MAX: usize = 8;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Provider {
    /// Nobody: the prompt itself, in short, or what a script says.
    Offline,
    /// A server with the `OpenAI` API of chat completions.
    OpenAi,
    /// A server with the Messages API of Anthropic.
    Anthropic,
    /// A server with the `generateContent` API of Gemini.
    Gemini,
}

impl Provider {
    const ALL: [Self; 4] = [Self::Offline, Self::OpenAi, Self::Anthropic, Self::Gemini];
    const WORDS: [&str; 4] = ["offline", "openai", "anthropic", "gemini"];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let word = reader.word("provider", &Self::WORDS)?;
        Self::ALL.into_iter().find(|provider| provider.as_str() == word)
    }
}

/// Which model is asked, and where.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub(super) provider: Option<Provider>,
    pub(super) model: Option<String>,
    pub(super) base_url: Option<Url>,
    /// The name of the secret.
    pub(super) api_key: Option<String>,
}

impl Target {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            provider: Provider::read(reader),
            model: reader.text("model").map(str::to_owned),
            base_url: read_base_url(reader),
            api_key: reader.optional_secret("api_key"),
        }
    }
}

/// What form an answer must have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Format {
    /// JSON of any form.
    Json,
    /// JSON that fits this schema.
    Schema(Value),
    /// Whatever this object means to a server with the API of `OpenAI`: JSON.
    Native(Value),
}

/// The configuration of an LLM agent.
#[derive(Debug)]
pub(crate) struct Config {
    /// The models, in the order in which they are asked.
    pub(super) targets: Vec<Target>,
    pub(super) temperature: Option<f64>,
    pub(super) max_tokens: Option<u64>,
    pub(super) format: Option<Format>,
    /// How often an answer that does not fit is asked for again.
    pub(super) repairs: u64,
    pub(super) tools: Vec<Tool>,
    pub(super) max_turns: u64,
    /// How long one turn may take.
    pub(super) turn_timeout_ms: Option<u64>,
    /// Whether answers come in pieces, and are shown as they do.
    pub(super) streams: bool,
    pub(super) script: Option<Script>,
    turns: Vec<(&'static str, Mapping)>,
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        let mut targets = vec![Target::read(&mut reader)];
        targets.extend(read_fallbacks(&mut reader));
        let system = reader.mapping("system", Reads::Input).map(|system| ("system", system));
        let temperature = reader.number("temperature", &(0.0..=2.0));
        let max_tokens = reader.integer("max_tokens", &(1..=1_000_000));
        let format = read_format(&mut reader);
        let repairs = reader.integer("repairs", &(0..=10)).unwrap_or(REPAIRS_DEFAULT);
        let tools = Tool::read_all(&mut reader);
        let max_turns = reader.integer("max_turns", &(1..=limits::LLM_TURNS_MAX.into()));
        let turn_timeout_ms = reader.integer("turn_timeout_ms", &(1..=limits::STEP_TIMEOUT_MS_MAX.into()));
        let streams = reader.flag("stream").unwrap_or(false);
        let script = Script::read(&mut reader);
        let is_offline = targets.first().is_some_and(|target| target.provider == Some(Provider::Offline));
        if script.is_some() && !is_offline {
            reader.problem("script", "is what the provider `offline` plays, and no other");
        }
        let turns = read_turns(&mut reader);
        reader.finish(Some(Self {
            targets,
            temperature,
            max_tokens,
            format,
            repairs,
            tools,
            max_turns: max_turns.unwrap_or(limits::LLM_TURNS_DEFAULT.into()),
            turn_timeout_ms,
            streams,
            script,
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
            Ok(match *role {
                "system" => Message::System(content),
                "assistant" => Message::Assistant(content),
                _ => Message::User(content),
            })
        };
        self.turns.iter().map(message).collect()
    }

    /// Whether the answer is to be JSON.
    pub(super) const fn wants_json(&self) -> bool {
        self.format.is_some()
    }

    /// The schemas that it holds, with their places.
    pub(super) fn schemas(&self) -> impl Iterator<Item = (String, &Value)> {
        let output = match &self.format {
            Some(Format::Schema(schema)) => Some(("output_schema".to_owned(), schema)),
            _ => None,
        };
        let tools = self.tools.iter().enumerate();
        output.into_iter().chain(tools.map(|(index, tool)| (format!("tools[{index}].input"), &tool.input)))
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

fn read_fallbacks(reader: &mut Reader<'_>) -> Vec<Target> {
    let Some(value) = reader.value("fallback") else { return Vec::new() };
    let Some(items) = value.as_array().filter(|items| items.len() <= FALLBACKS_MAX) else {
        reader.problem("fallback", format!("must be a list of at most {FALLBACKS_MAX} models"));
        return Vec::new();
    };
    let mut targets = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut inner = Reader::at(item, reader.path(&format!("fallback[{index}]")));
        let target = Target::read(&mut inner);
        if target.provider.is_none() {
            let _reported = inner.required("provider", "who is asked when the others do not answer");
        }
        match inner.finish(Some(target)) {
            Ok(target) => targets.push(target),
            Err(problems) => reader.problems(problems),
        }
    }
    targets
}

fn read_format(reader: &mut Reader<'_>) -> Option<Format> {
    let schema = reader.value("output_schema").cloned();
    let format = reader.value("response_format");
    if schema.is_some() && format.is_some() {
        reader.problem("response_format", "cannot stand beside `output_schema`");
    }
    if let Some(schema) = schema {
        return Some(Format::Schema(schema));
    }
    match format? {
        Value::String(word) if word == "text" => None,
        Value::String(word) if word == "json" => Some(Format::Json),
        format @ Value::Object(_) if format.get("type").is_some_and(|kind| kind != "text") => {
            let is_plain = *format == json!({ "type": "json_object" });
            Some(if is_plain { Format::Json } else { Format::Native(format.clone()) })
        }
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
