//! The providers of models: what each is sent, and what its answers mean.
//!
//! They are thin mappings over the one way out rather than client libraries: those bring an HTTP client of their own,
//! which would look at no address before it connects, follow redirects, and read without a limit.

mod anthropic;
mod gemini;
pub(super) mod offline;
mod openai;

use serde_json::Value;

use super::{
    chat::{Ask, Turn},
    config::Provider,
};

/// How the server of a model is spoken to.
pub(super) trait Dialect: Sync {
    /// Where questions go, below the base of the API.
    fn path(&self, ask: &Ask<'_>) -> String;

    /// The header that shows who asks, and what stands in it before the key.
    fn key(&self) -> (&'static str, &'static str);

    /// Further headers.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The question.
    fn body(&self, ask: &Ask<'_>) -> Value;

    /// The answer; `None` if there is none in it. `asked` is the model that was meant.
    fn read(&self, body: &Value, asked: &str) -> Option<Turn>;

    /// What an event of a stream adds to what is said.
    fn piece<'e>(&self, event: &'e Value) -> Option<&'e str>;

    /// The whole answer that the events of a stream come to; `None` if it does not come to its end.
    fn assemble(&self, events: &[Value]) -> Option<Value>;
}

/// The dialect of a provider. Nobody is spoken to offline.
pub(super) fn dialect(provider: Provider) -> &'static dyn Dialect {
    match provider {
        Provider::Anthropic => &anthropic::Anthropic,
        Provider::Gemini => &gemini::Gemini,
        Provider::OpenAi | Provider::Offline => &openai::OpenAi,
    }
}

/// A figure of an account.
fn figure(raw: &Value, pointer: &str) -> Option<u64> {
    raw.pointer(pointer).and_then(Value::as_u64)
}

/// A text member.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// What is said beforehand, as one text.
fn system(ask: &Ask<'_>) -> Option<String> {
    let said = ask.messages.iter().filter_map(|message| match message {
        super::chat::Message::System(text) => Some(text.as_str()),
        _ => None,
    });
    let all: Vec<&str> = said.collect();
    (!all.is_empty()).then(|| all.join("\n\n"))
}
