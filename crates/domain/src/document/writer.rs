//! Writes the canonical form: what is as it is by default is not written.

use serde::Serialize;
use serde_json::{Map, Value};

/// An object that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer(Map<String, Value>);

impl Writer {
    pub(super) fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        // Everything that a document holds is text, numbers, and JSON itself, which cannot fail.
        self.0.insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    pub(super) fn put_some<T: Serialize>(&mut self, key: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    pub(super) fn put_unless<T: Serialize + PartialEq + ?Sized>(&mut self, key: &str, value: &T, default: &T) {
        if value != default {
            self.put(key, value);
        }
    }

    /// Writes a list or an object that is not empty.
    pub(super) fn put_filled<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.put(key, value);
        let is_empty = match self.0.get(key) {
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(entries)) => entries.is_empty(),
            Some(Value::String(text)) => text.is_empty(),
            _ => true,
        };
        if is_empty {
            self.0.remove(key);
        }
    }

    pub(super) fn object(self) -> Value {
        Value::Object(self.0)
    }
}
