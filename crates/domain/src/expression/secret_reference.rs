//! References to secrets, as they stand in what a step hands to its agent: `{"$secret": "NAME"}`.

use std::collections::BTreeSet;

use serde_json::Value;

/// The key of the object that stands for a secret.
pub(super) const SECRET_KEY: &str = "$secret";

/// The name of the secret that a value stands for, if it is a reference and nothing else.
#[must_use]
pub fn secret_reference(value: &Value) -> Option<&str> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    entries.get(SECRET_KEY)?.as_str()
}

/// The names of all secrets that a value refers to, at any depth.
#[must_use]
pub fn secret_references(value: &Value) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    collect(value, &mut names);
    names
}

/// Whether anything in a value looks like a reference, well formed or not.
#[must_use]
pub fn looks_like_secret(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(looks_like_secret),
        Value::Object(entries) => entries.iter().any(|(key, value)| key == SECRET_KEY || looks_like_secret(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn collect<'a>(value: &'a Value, names: &mut BTreeSet<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(entries) => match secret_reference(value) {
            Some(name) => {
                names.insert(name);
            }
            None => entries.values().for_each(|value| collect(value, names)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_at_any_depth_and_nothing_else_is_one() {
        let value = json!({ "a": [{ "$secret": "B" }, { "$secret": "A" }], "b": { "$secret": "A" }, "c": "secrets.C" });

        assert_eq!(secret_references(&value).into_iter().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(secret_reference(&json!({ "$secret": "A", "more": 1 })), None);
        assert_eq!(secret_reference(&json!({ "$secret": 1 })), None);
        assert!(looks_like_secret(&json!([{ "$secret": 1 }])) && looks_like_secret(&value));
        assert!(!looks_like_secret(&json!({ "a": ["$secret"] })));
    }
}
