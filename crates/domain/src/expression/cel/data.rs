//! What an expression reads, found in the scope's JSON before anything is converted.
//!
//! `steps.fetch.output.user.name` is one path here: only the name becomes a CEL value, not the whole
//! output.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use ::cel::common::{types::CelBool, value::Val};
use serde_json::{Map, Value};

use super::{
    ExpressionError, Meter,
    compile::Program,
    convert::{json_weight, to_cel, to_owned_cel},
};
use crate::{
    expression::{Root, Scope, StepView},
    value::json_text::kind_of,
};

/// Where a path starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At a root.
    Root(Root),
    /// At a step: the keys begin with `output`, `status` or `error`, or there are none.
    Step(String),
}

/// One key of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// Of an object.
    Name(String),
    /// Of a list.
    Index(usize),
}

/// What an expression reads, written without anything that must be computed first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Where it starts, as an index of [`Program::starts`].
    pub(super) start: usize,
    /// What is read of it.
    pub(super) keys: Vec<Key>,
    /// Whether it asks, with `has()`, if the last key is there.
    pub(super) is_test: bool,
}

/// What stands at the end of a path.
pub(super) enum Found<'a> {
    /// A value of the scope.
    Borrowed(&'a Value),
    /// A value made for this.
    Owned(Value),
    /// The answer of `has()`.
    Test(bool),
}

impl<'a> Found<'a> {
    /// What it costs to convert.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Borrowed(json) => json_weight(json).units(),
            Self::Owned(json) => json_weight(json).units(),
            Self::Test(_) => Meter::VALUE,
        }
    }

    /// It as JSON.
    pub(super) fn json(&self) -> Cow<'a, Value> {
        match self {
            Self::Borrowed(json) => Cow::Borrowed(json),
            Self::Owned(json) => Cow::Owned(json.clone()),
            Self::Test(answer) => Cow::Owned(Value::Bool(*answer)),
        }
    }

    /// It as a CEL value.
    pub(super) fn into_cel(self) -> Box<dyn Val + 'a> {
        match self {
            Self::Borrowed(json) => to_cel(json),
            Self::Owned(json) => to_owned_cel(&json),
            Self::Test(answer) => Box::new(CelBool::from(answer)),
        }
    }
}

/// What an expression may read in one scope.
pub(super) struct Data<'a> {
    program: &'a Program,
    sources: Vec<Source<'a>>,
}

enum Source<'a> {
    Missing,
    Root(Cow<'a, Value>),
    Step(StepView<'a>),
}

impl<'a> Data<'a> {
    /// Looks up what the paths of a program start from.
    pub(super) fn of(program: &'a Program, scope: &'a dyn Scope) -> Self {
        let source = |start: &Start| match start {
            Start::Root(root) => scope.root(*root).map(Source::Root),
            Start::Step(key) => scope.step(key).map(Source::Step),
        };
        let sources = program.starts.iter().map(|start| source(start).unwrap_or(Source::Missing)).collect();
        Self { program, sources }
    }

    /// Walks a path to its end.
    ///
    /// # Errors
    ///
    /// `expression_failed` if there is nothing; the message says from where on.
    pub(super) fn find(&self, path: &Path) -> Result<Found<'_>, ExpressionError> {
        match self.sources.get(path.start) {
            Some(Source::Root(value)) => self.walk(path, 0, value),
            Some(Source::Step(view)) => self.find_of_step(path, *view),
            Some(Source::Missing) | None => Err(self.nothing(path)),
        }
    }

    fn find_of_step(&self, path: &Path, view: StepView<'a>) -> Result<Found<'_>, ExpressionError> {
        let field = match path.keys.first() {
            Some(Key::Name(name)) => name.as_str(),
            _ => return Ok(Found::Owned(view_to_json(view))),
        };
        if path.is_test && path.keys.len() == 1 {
            return Ok(Found::Test(match field {
                "output" => view.output.is_some(),
                "error" => view.error.is_some(),
                _ => true,
            }));
        }
        match field {
            "output" => self.walk(path, 1, view.output.unwrap_or(&Value::Null)),
            "error" => self.walk(path, 1, view.error.unwrap_or(&Value::Null)),
            _ => Ok(Found::Owned(Value::from(view.status))),
        }
    }

    fn walk<'s>(&self, path: &Path, from: usize, value: &'s Value) -> Result<Found<'s>, ExpressionError> {
        let mut value = value;
        for (position, key) in path.keys.iter().enumerate().skip(from) {
            let next = match (value, key) {
                (Value::Object(entries), Key::Name(name)) => entries.get(name),
                (Value::Array(items), Key::Index(index)) => items.get(*index),
                _ => None,
            };
            if path.is_test && position + 1 == path.keys.len() && value.is_object() {
                return Ok(Found::Test(next.is_some()));
            }
            value = next.ok_or_else(|| self.no_such_key(path, position, value))?;
        }
        Ok(Found::Borrowed(value))
    }

    fn nothing(&self, path: &Path) -> ExpressionError {
        ExpressionError::failed(match self.program.starts.get(path.start) {
            Some(Start::Step(key)) => format!("the step `{key}` has not ended here, so nothing of it can be read"),
            _ => format!("there is no `{}` here", self.written(path, 0)),
        })
    }

    fn no_such_key(&self, path: &Path, position: usize, value: &Value) -> ExpressionError {
        let place = self.written(path, position);
        ExpressionError::failed(match (value, path.keys.get(position)) {
            (Value::Object(entries), Some(Key::Name(name))) => {
                format!("`{place}` has no key `{name}`; {}", keys_of(entries))
            }
            (Value::Array(items), Some(Key::Index(index))) => {
                format!("`{place}` has {} items, there is none at [{index}]", items.len())
            }
            (other, Some(key)) => format!("`{place}` is {}, so `{key}` cannot be read of it", kind_of(other)),
            (_, None) => format!("`{place}` is not there"),
        })
    }

    /// The first keys of a path as they are written in an expression.
    fn written(&self, path: &Path, keys: usize) -> String {
        let mut text = match self.program.starts.get(path.start) {
            Some(Start::Root(root)) => root.as_str().to_owned(),
            Some(Start::Step(key)) if key.contains('-') => format!("steps[\"{key}\"]"),
            Some(Start::Step(key)) => format!("steps.{key}"),
            None => String::new(),
        };
        for key in path.keys.iter().take(keys) {
            // Writing to a string cannot fail.
            let _ = match key {
                Key::Name(name) => write!(text, ".{name}"),
                Key::Index(index) => write!(text, "[{index}]"),
            };
        }
        text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn keys_of(entries: &Map<String, Value>) -> String {
    const SHOWN: usize = 8;
    if entries.is_empty() {
        return "it is empty".to_owned();
    }
    let shown: Vec<String> =
        entries.keys().take(SHOWN).map(|key| format!("`{}`", crate::value::excerpt(key))).collect();
    let more = if entries.len() > SHOWN { ", …" } else { "" };
    format!("it has {}{more}", shown.join(", "))
}

fn view_to_json(view: StepView<'_>) -> Value {
    let mut object = Map::new();
    object.insert("status".to_owned(), Value::from(view.status));
    if let Some(output) = view.output {
        object.insert("output".to_owned(), output.clone());
    }
    if let Some(error) = view.error {
        object.insert("error".to_owned(), error.clone());
    }
    Value::Object(object)
}
