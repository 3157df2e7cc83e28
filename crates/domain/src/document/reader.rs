//! Reads JSON and notes everything that is wrong with it, instead of stopping at the first.
//!
//! A [`Reader`] is an object, a [`Field`] a value of it; both know their path. What is asked for is known:
//! when a reader is closed, every key that nobody asked for is refused. `null` is the same as nothing, as
//! YAML writes a key without a value.

use std::{cell::RefCell, fmt::Display, ops::RangeInclusive, str::FromStr};

use serde_json::{Map, Value};

use crate::{
    problem::Problems,
    value::{StepKey, excerpt, json_text::kind_of, nearest},
};

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Sink(RefCell<Problems>);

impl Sink {
    pub(super) fn add(&self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().add(code, path, message);
    }

    pub(super) fn into_problems(self) -> Problems {
        self.0.into_inner()
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
    sink: &'a Sink,
}

impl<'a> Field<'a> {
    /// The document itself.
    pub(super) const fn root(value: &'a Value, sink: &'a Sink) -> Self {
        Self { value, path: String::new(), sink }
    }

    /// Notes a problem with it.
    pub(super) fn refuse(&self, code: &'static str, message: impl Into<String>) {
        self.sink.add(code, self.path.clone(), message);
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let name = self.name();
        self.refuse("wrong_type", format!("{name} must be {what}, not {}", kind_of(self.value)));
        None
    }

    /// What it is called in a message.
    fn name(&self) -> String {
        match self.path.rsplit('.').next() {
            None | Some("") => "the document".to_owned(),
            Some(last) => format!("`{last}`"),
        }
    }

    pub(super) fn object(&self) -> Option<Reader<'a>> {
        match self.value {
            Value::Object(entries) => {
                Some(Reader { entries, path: self.path.clone(), sink: self.sink, known: RefCell::default() })
            }
            _ => self.expected("an object"),
        }
    }

    /// Its items; none if it is no list.
    pub(super) fn items(&self) -> Vec<Self> {
        let Value::Array(items) = self.value else { return self.expected("a list").unwrap_or_default() };
        let item = |(index, value)| Field { value, path: format!("{}[{index}]", self.path), sink: self.sink };
        items.iter().enumerate().map(item).collect()
    }

    /// Its entries, whatever their keys are; none if it is no object.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        let Value::Object(entries) = self.value else { return self.expected("an object").unwrap_or_default() };
        let entry = |(key, value): (&'a String, &'a Value)| {
            (key.as_str(), Field { value, path: join(&self.path, key), sink: self.sink })
        };
        entries.iter().map(entry).collect()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.expected("a text"),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(*flag),
            _ => self.expected("true or false"),
        }
    }

    /// A whole number of a range.
    pub(super) fn number<N>(&self, range: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<u64> + PartialOrd + Copy + Display,
    {
        if !self.value.is_number() {
            return self.expected("a whole number");
        }
        let number = self.value.as_u64().and_then(|number| N::try_from(number).ok());
        let accepted = number.filter(|number| range.contains(number));
        if accepted.is_none() {
            let (name, from, to) = (self.name(), range.start(), range.end());
            self.refuse(
                "out_of_range",
                format!("{name} must be a whole number from {from} to {to}, not {}", self.value),
            );
        }
        accepted
    }

    /// A text with a meaning.
    pub(super) fn parse<T>(&self) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.text()?.parse().map_err(|error: T::Err| self.refuse("invalid_value", error.to_string())).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let name = self.name();
            let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let allowed = allowed.join(", ");
            self.refuse("invalid_value", format!("{name} must be one of {allowed}, not `{}`", excerpt(text)));
        }
        found
    }

    /// CEL, as it is or in `${{ }}`; a bool stands for itself.
    pub(super) fn cel(&self) -> Option<String> {
        if let Value::Bool(constant) = self.value {
            return Some(constant.to_string());
        }
        let text = self.text()?.trim();
        let inner = text.strip_prefix("${{").and_then(|text| text.strip_suffix("}}"));
        Some(inner.unwrap_or(text).trim().to_owned())
    }

    /// Keys of steps, in alphabetical order: their order means nothing.
    pub(super) fn step_keys(&self) -> Vec<StepKey> {
        let mut keys: Vec<StepKey> = Vec::new();
        for item in self.items() {
            match item.parse::<StepKey>() {
                Some(key) if keys.contains(&key) => item.refuse("duplicate_step", format!("`{key}` is named twice")),
                Some(key) => keys.push(key),
                None => {}
            }
        }
        keys.sort();
        keys
    }
}

/// An object that is being read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    entries: &'a Map<String, Value>,
    pub(super) path: String,
    pub(super) sink: &'a Sink,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Reader<'a> {
    /// The value of a key, if there is one.
    pub(super) fn get(&self, key: &'static str) -> Option<Field<'a>> {
        self.known.borrow_mut().push(key);
        let value = self.entries.get(key).filter(|value| !value.is_null())?;
        Some(Field { value, path: join(&self.path, key), sink: self.sink })
    }

    /// The value of a key that must be there.
    pub(super) fn require(&self, key: &'static str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            self.sink.add("missing_key", self.path.clone(), format!("`{key}` is missing"));
        }
        field
    }

    /// Refuses a key that is known, but not here.
    pub(super) fn refuse_key(&self, key: &'static str, code: &'static str, message: impl Into<String>) {
        if let Some(field) = self.get(key) {
            field.refuse(code, message);
        }
    }

    /// Lets keys be, whatever they hold: what they mean depends on something that is wrong itself.
    pub(super) fn accept(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// The one of several keys that is there; none or two are a problem.
    pub(super) fn one_of(&self, keys: &[&'static str]) -> Option<(&'static str, Field<'a>)> {
        let mut found: Vec<_> = keys.iter().filter_map(|key| self.get(key).map(|field| (*key, field))).collect();
        let names = || keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        match found.len() {
            0 => {
                self.sink.add("missing_key", self.path.clone(), format!("one of {} is missing", names()));
                None
            }
            1 => found.pop(),
            _ => {
                self.sink.add("conflicting_keys", self.path.clone(), format!("only one of {} may be there", names()));
                None
            }
        }
    }

    /// Refuses every key that was not asked for.
    pub(super) fn close(self) {
        let known = self.known.into_inner();
        for key in self.entries.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = match nearest(key, known.iter().copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => format!("; known here: {}", known.join(", ")),
            };
            self.sink.add("unknown_key", join(&self.path, key), format!("there is no key `{}`{hint}", excerpt(key)));
        }
    }
}

/// The path of a key.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(value: &Value, read: impl FnOnce(&Reader<'_>)) -> Vec<String> {
        let sink = Sink::default();
        let reader = Field::root(value, &sink).object().unwrap();
        read(&reader);
        reader.close();
        sink.into_problems()
            .iter()
            .map(|problem| format!("{} {}: {}", problem.code, problem.path, problem.message))
            .collect()
    }

    #[test]
    fn what_nobody_asked_for_is_refused_with_the_nearest_known_key() {
        let found = problems(&json!({"nmae": 1, "colour": 2, "tags": null}), |reader| {
            reader.get("name");
            reader.get("tags");
        });

        assert_eq!(
            found,
            [
                "unknown_key colour: there is no key `colour`; known here: name, tags",
                "unknown_key nmae: there is no key `nmae`; did you mean `name`?",
            ]
        );
    }

    #[test]
    fn a_value_of_another_kind_is_refused_with_its_path() {
        let value = json!({"a": {"n": 11, "t": 5, "f": "x", "l": {}, "big": -1, "w": "blue"}});
        let found = problems(&value, |reader| {
            let inner = reader.get("a").unwrap().object().unwrap();
            assert_eq!(inner.get("n").unwrap().number(1..=10_u32), None);
            assert_eq!(inner.get("t").unwrap().text(), None);
            assert_eq!(inner.get("f").unwrap().flag(), None);
            assert_eq!(inner.get("l").unwrap().items().len(), 0);
            assert_eq!(inner.get("big").unwrap().number(0..=u64::MAX), None);
            assert_eq!(inner.get("w").unwrap().word(&[("red", 1), ("green", 2)]), None);
            assert!(inner.require("gone").is_none());
            inner.close();
        });

        assert_eq!(
            found,
            [
                "out_of_range a.n: `n` must be a whole number from 1 to 10, not 11",
                "wrong_type a.t: `t` must be a text, not a number",
                "wrong_type a.f: `f` must be true or false, not a text",
                "wrong_type a.l: `l` must be a list, not an object",
                "out_of_range a.big: `big` must be a whole number from 0 to 18446744073709551615, not -1",
                "invalid_value a.w: `w` must be one of red, green, not `blue`",
                "missing_key a: `gone` is missing",
            ]
        );
    }

    #[test]
    fn cel_may_stand_in_its_mapping_brackets() {
        let value = json!({"plain": " a == 1 ", "wrapped": "${{ a == 1 }}", "constant": true});
        let found = problems(&value, |reader| {
            for (key, expected) in [("plain", "a == 1"), ("wrapped", "a == 1"), ("constant", "true")] {
                assert_eq!(reader.get(key).unwrap().cel().as_deref(), Some(expected));
            }
        });

        assert!(found.is_empty());
    }
}
