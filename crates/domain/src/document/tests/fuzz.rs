//! Whatever is given: a document, or its problems, and never a panic.

use proptest::prelude::*;

use super::*;

/// What has a meaning somewhere in a document.
const WORDS: &[&str] = &[
    "name",
    "steps",
    "key",
    "type",
    "agent",
    "loop",
    "config",
    "body",
    "items",
    "if",
    "then",
    "while",
    "depends_on",
    "a",
    "b",
    "${{ item }}",
    "${{",
    "true",
    "settings",
    "wait",
    "event",
    "branches",
    "parallel",
    "condition",
    "switch",
    "cases",
];

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let key = prop_oneof![prop::sample::select(WORDS).prop_map(str::to_owned), ".{0,3}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_document_or_refused(value in json_values(), steps in prop::collection::vec(json_values(), 0..4)) {
        let _ = Document::parse(&value);
        let _ = Document::parse(&json!({"name": "w", "steps": steps, "settings": value}));
    }

    /// A valid document with one place replaced by anything: accepted or refused, never a panic.
    #[test]
    fn any_change_of_a_document_is_accepted_or_refused(place in 0_usize..400, value in json_values()) {
        let mut document = valid();
        let mut left = place;
        replace(&mut document, &mut left, &value);

        if let Ok(changed) = Document::parse(&document) {
            prop_assert_eq!(Document::parse(&changed.canonical()), Ok(changed));
        }
    }
}

/// Replaces one place of a value, counted from its front.
fn replace(target: &mut Value, left: &mut usize, value: &Value) {
    if *left == 0 {
        target.clone_from(value);
    }
    *left = left.wrapping_sub(1);
    match target {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, left, value)),
        Value::Object(entries) => entries.values_mut().for_each(|entry| replace(entry, left, value)),
        _ => {}
    }
}
