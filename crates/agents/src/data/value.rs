//! JSON to jaq's values and back. Theirs hold more: bytes, keys that are no text, numbers that are none.

use jaq_json::{Num, Val, read};
use serde_json::{Map, Number, Value};

use crate::child::Failure;

/// The deepest that an answer may nest; what is read back is bounded the same.
const DEPTH_MAX: usize = 120;

/// Reads JSON text.
pub(super) fn from_json(text: &str) -> Result<Val, Failure> {
    read::parse_single(text.as_bytes()).map_err(|error| Failure::new("invalid_input", error.to_string()))
}

/// The JSON of a value.
pub(super) fn to_json(value: &Val) -> Result<Value, Failure> {
    convert(value, 0)
}

fn convert(value: &Val, depth: usize) -> Result<Value, Failure> {
    if depth > DEPTH_MAX {
        return Err(invalid(format!("the answer nests deeper than {DEPTH_MAX} levels")));
    }
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Num(number) => Value::Number(to_number(number)?),
        Val::TStr(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        Val::BStr(_) => return Err(invalid("the answer holds bytes; make text of them, for example with `@base64`")),
        Val::Arr(items) => {
            Value::Array(items.iter().map(|item| convert(item, depth + 1)).collect::<Result<Vec<_>, _>>()?)
        }
        Val::Obj(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, item)| Ok((to_key(key)?, convert(item, depth + 1)?)))
                .collect::<Result<Map<_, _>, Failure>>()?,
        ),
    })
}

fn to_key(key: &Val) -> Result<String, Failure> {
    match key {
        Val::TStr(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => Err(invalid(format!("the key {other} of an object is no text"))),
    }
}

/// Integers stay integers as far as JSON's readers hold them; what is larger becomes the nearest float.
fn to_number(number: &Num) -> Result<Number, Failure> {
    let nearest = |text: &str| text.parse().ok().and_then(Number::from_f64);
    let exact = match number {
        Num::Int(int) => i64::try_from(*int).ok().map(Number::from),
        Num::BigInt(int) => int.to_string().parse::<u64>().ok().map(Number::from).or_else(|| nearest(&int.to_string())),
        Num::Float(float) => Number::from_f64(*float),
        Num::Dec(text) => nearest(text),
    };
    exact.ok_or_else(|| invalid(format!("{number} is no number that JSON can hold")))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("invalid_output", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_kind_through_there_and_back() {
        let text = r#"{"a":[1,-1.5,18446744073709551615,1e3],"b":null}"#;
        let back = to_json(&from_json(text).unwrap()).unwrap();

        assert_eq!(back, serde_json::json!({ "a": [1, -1.5, u64::MAX, 1000.0], "b": null }));
    }
}
