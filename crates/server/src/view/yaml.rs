//! Values for people: YAML, in which texts of several lines can be read, and short lists are a line.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_saphyr::FlowSeq;

/// Texts of at most so many bytes may share a line.
const SHORT_BYTES: usize = 40;

/// A value as YAML; nothing if it cannot be written so.
pub(crate) fn yaml(value: &Value) -> Option<String> {
    Some(serde_saphyr::to_string(&Readable(value)).ok()?.trim_end().to_owned())
}

struct Readable<'a>(&'a Value);

impl Serialize for Readable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) if items.iter().all(is_short) => FlowSeq(items).serialize(serializer),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Readable)),
            Value::Object(members) => serializer.collect_map(members.iter().map(|(key, value)| (key, Readable(value)))),
            other => other.serialize(serializer),
        }
    }
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= SHORT_BYTES && !text.contains('\n'),
        Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_of_several_lines_can_be_read_and_short_lists_are_a_line() {
        let value = json!({ "names": ["a", "b", 3], "report": "# Title\n\nText.", "rows": [{ "x": "1" }] });

        let yaml = yaml(&value).unwrap();

        assert_eq!(yaml, "names: [a, b, 3]\nreport: |-\n  # Title\n\n  Text.\nrows:\n- x: \"1\"");
    }

    #[test]
    fn a_value_cannot_command_the_terminal() {
        for text in ["\u{1b}[2J", "line\n\u{1b}]0;x\u{7}", "\u{9b}31m"] {
            let yaml = yaml(&json!({ "a": text, "b": [text] })).unwrap();
            assert!(!yaml.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{yaml:?}");
        }
    }
}
