//! Reading the members of a document one by one, and noting everything that is wrong on the way.

use serde_json::{Map, Value};
use turbocat_domain::{problem::Problems, value::nearest};

/// The members of an object that is being read.
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    /// What was wrong so far.
    pub(super) problems: Problems,
}

impl<'a> Fields<'a> {
    /// Begins to read; keys that are not known are problems at once, with the nearest known one.
    pub(super) fn new(members: &'a Map<String, Value>, known: &[&str]) -> Self {
        let mut problems = Problems::default();
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint =
                nearest(key, known.iter().copied()).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
            problems.add("unknown_key", key, format!("there is no key `{key}` here{hint}"));
        }
        Self { members, problems }
    }

    /// A member that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    /// Parses a text member; a missing one is a problem if it is required.
    pub(super) fn parse<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        required: bool,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.get(key) {
            None if required => self.problems.add("missing_key", key, format!("`{key}` is required")),
            None => {}
            Some(Value::String(text)) => match parse(text) {
                Ok(value) => return Some(value),
                Err(error) => self.problems.add("invalid_value", key, error.to_string()),
            },
            Some(_) => self.problems.add("invalid_type", key, format!("`{key}` must be text")),
        }
        None
    }

    /// A member that must be an object; empty if it is missing.
    pub(super) fn object(&mut self, key: &'static str) -> Value {
        match self.get(key) {
            Some(value @ Value::Object(_)) => return value.clone(),
            Some(_) => self.problems.add("invalid_type", key, format!("`{key}` must be an object")),
            None => {}
        }
        Value::Object(Map::new())
    }

    /// A member that must be a bool; false if it is missing.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        match self.get(key) {
            Some(Value::Bool(flag)) => return *flag,
            Some(_) => self.problems.add("invalid_type", key, format!("`{key}` must be true or false")),
            None => {}
        }
        false
    }

    /// A member that must be a whole number of this range.
    pub(super) fn number(&mut self, key: &'static str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let value = self.get(key)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|n| range.contains(n));
        if number.is_none() {
            let message = format!("`{key}` must be a whole number from {} to {}", range.start(), range.end());
            self.problems.add("invalid_value", key, message);
        }
        number
    }

    /// A member that must be a list of texts, each parsed.
    pub(super) fn list<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        count_max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let items = match self.get(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) if items.len() <= count_max => items,
            Some(Value::Array(items)) => {
                let message = format!("`{key}` has {} entries, at most {count_max} are allowed", items.len());
                self.problems.add("too_many", key, message);
                return Vec::new();
            }
            Some(_) => {
                self.problems.add("invalid_type", key, format!("`{key}` must be a list of texts"));
                return Vec::new();
            }
        };
        let mut parsed = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item.as_str().map(&parse) {
                Some(Ok(value)) => parsed.push(value),
                Some(Err(error)) => self.problems.add("invalid_value", format!("{key}[{index}]"), error.to_string()),
                None => self.problems.add("invalid_type", format!("{key}[{index}]"), "a text is expected here"),
            }
        }
        parsed
    }
}
