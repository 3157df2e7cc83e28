//! What an agent says that it can do: words, and the forms of what it is given and gives.

use serde_json::{Map, Value, json};
use turbocat_domain::value::Name;

use super::fields::Fields;

const KEY: &str = "capabilities";
const WORDS_MAX: usize = 50;
/// The members that it may have when it is an object.
const MEMBERS: [&str; 3] = ["words", "input", "output"];

/// What an agent says that it can do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capabilities {
    /// Words to find it by.
    pub words: Vec<String>,
    /// The JSON Schema of its inputs, parameters included.
    pub input: Option<Value>,
    /// The JSON Schema of its answer.
    pub output: Option<Value>,
}

impl Capabilities {
    /// Reads a list of words, or an object with schemas.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let Some(Value::Object(members)) = fields.get(KEY) else {
            return Self { words: fields.list(KEY, WORDS_MAX, word), ..Self::default() };
        };
        let mut inner = Fields::new(members, &MEMBERS);
        let words = inner.list("words", WORDS_MAX, word);
        let (input, output) = (schema(&mut inner, "input"), schema(&mut inner, "output"));
        for mut problem in inner.problems {
            problem.path = format!("{KEY}.{}", problem.path);
            fields.problems.extend([problem]);
        }
        Self { words, input, output }
    }

    /// As it is stored: words alone are a list.
    pub(super) fn to_json(&self) -> Value {
        if self.input.is_none() && self.output.is_none() {
            return json!(self.words);
        }
        let mut members = Map::from_iter([("words".to_owned(), json!(self.words))]);
        members.extend(self.input.clone().map(|schema| ("input".to_owned(), schema)));
        members.extend(self.output.clone().map(|schema| ("output".to_owned(), schema)));
        Value::Object(members)
    }
}

fn schema(fields: &mut Fields<'_>, key: &'static str) -> Option<Value> {
    fields.get(key)?;
    Some(fields.object(key))
}

fn word(text: &str) -> Result<String, String> {
    let name = Name::parse(text).map_err(|error| error.to_string())?;
    Ok(name.as_str().to_owned())
}
