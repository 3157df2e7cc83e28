//! What an output may look like, where it is not one value.
//!
//! A pattern is JSON. Most of it stands for itself; what races is written with keys that no workflow uses.

use serde_json::{Map, Value, json};

const ANYTHING: &str = "\u{1}anything";
const SOME_OF: &str = "\u{1}some of";
const AT_LEAST: &str = "\u{1}at least";

/// Anything at all.
pub(crate) fn anything() -> Value {
    json!(ANYTHING)
}

/// A list or an object with some of these members, in their order, and at least so many of them.
pub(crate) fn some_of(members: Value, at_least: usize) -> Value {
    json!({ SOME_OF: members, AT_LEAST: at_least })
}

/// Whether a value is one that the pattern allows.
pub(crate) fn matches(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::String(text), _) if text == ANYTHING => true,
        (Value::Object(fields), _) if fields.contains_key(SOME_OF) => {
            let at_least = fields.get(AT_LEAST).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
            fields.get(SOME_OF).is_some_and(|members| has_some_of(members, value, at_least.unwrap_or(0)))
        }
        (Value::Object(fields), Value::Object(values)) => {
            fields.len() == values.len()
                && fields.iter().all(|(key, field)| values.get(key).is_some_and(|value| matches(field, value)))
        }
        (Value::Array(items), Value::Array(values)) => {
            items.len() == values.len() && items.iter().zip(values).all(|(item, value)| matches(item, value))
        }
        _ => pattern == value,
    }
}

fn has_some_of(members: &Value, value: &Value, at_least: usize) -> bool {
    match (members, value) {
        (Value::Array(members), Value::Array(values)) => {
            let mut left = members.iter();
            values.len() >= at_least && values.iter().all(|value| left.any(|member| matches(member, value)))
        }
        (Value::Object(members), Value::Object(values)) => {
            let is_one =
                |(key, value): (&String, &Value)| members.get(key).is_some_and(|member| matches(member, value));
            values.len() >= at_least && values.iter().all(is_one)
        }
        _ => false,
    }
}

/// An object of these fields.
pub(crate) fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_allows_what_it_says_and_nothing_else() {
        let pattern = json!({ "a": anything(), "b": some_of(json!([1, 2, 3]), 1), "c": [1] });

        assert!(matches(&pattern, &json!({ "a": { "x": 1 }, "b": [1, 3], "c": [1] })));
        for wrong in [
            json!({ "a": 1, "b": [], "c": [1] }),
            json!({ "a": 1, "b": [3, 1], "c": [1] }),
            json!({ "a": 1, "b": [4], "c": [1] }),
            json!({ "a": 1, "b": [1], "c": [] }),
            json!({ "a": 1, "b": [1], "c": [1], "d": 1 }),
            json!({ "b": [1], "c": [1] }),
            json!(null),
        ] {
            assert!(!matches(&pattern, &wrong), "{wrong}");
        }
        assert!(matches(&some_of(json!({ "x": 1, "y": 2 }), 1), &json!({ "y": 2 })));
        assert!(!matches(&some_of(json!({ "x": 1, "y": 2 }), 1), &json!({ "y": 1 })));
    }
}
