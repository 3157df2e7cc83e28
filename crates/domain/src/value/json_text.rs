//! JSON values from outside: made storable, measured, and held to limits, without recursion.

use std::fmt::{self, Write as _};

use serde_json::{Map, Number, Value};

/// Makes a value one that `jsonb` of `PostgreSQL` gives back unchanged. Returns whether text was changed.
///
/// NUL, which `jsonb` refuses, becomes U+FFFD, in keys too (a key that then exists already gets more of them).
/// Numbers become what `jsonb` makes of them: a negative zero loses its sign, and a float without a fraction
/// whose text form would have an exponent becomes the integer that it is. Numbers keep their value, so they do
/// not count as changed.
#[must_use]
pub fn clean(mut value: Value) -> (Value, bool) {
    let mut changed = false;
    let mut open = vec![&mut value];
    while let Some(node) = open.pop() {
        match node {
            Value::String(text) => changed |= clean_text(text),
            Value::Number(number) => clean_number(number),
            Value::Array(items) => open.extend(items),
            Value::Object(members) => {
                changed |= clean_keys(members);
                open.extend(members.values_mut());
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
    (value, changed)
}

fn clean_text(text: &mut String) -> bool {
    let dirty = text.contains('\0');
    if dirty {
        *text = text.replace('\0', "\u{FFFD}");
    }
    dirty
}

fn clean_keys(members: &mut Map<String, Value>) -> bool {
    if !members.keys().any(|key| key.contains('\0')) {
        return false;
    }
    let (dirty, mut kept): (Map<_, _>, Map<_, _>) =
        std::mem::take(members).into_iter().partition(|(key, _)| key.contains('\0'));
    for (mut key, value) in dirty {
        clean_text(&mut key);
        while kept.contains_key(&key) {
            key.push('\u{FFFD}');
        }
        kept.insert(key, value);
    }
    *members = kept;
    true
}

fn clean_number(number: &mut Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return };
    if float == 0.0 {
        *number = Number::from_f64(0.0).unwrap_or_else(|| 0.into());
    } else if float.fract() == 0.0 && number.to_string().contains('e') {
        // `jsonb` writes 1e16 as 10000000000000000, which is read as an integer if it fits one.
        let digits = format!("{float:.0}");
        if let Ok(integer) = digits.parse::<u64>() {
            *number = integer.into();
        } else if let Ok(integer) = digits.parse::<i64>() {
            *number = integer.into();
        }
    }
}

/// What kind of JSON a value is, for a sentence.
#[must_use]
pub const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// How large a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// The bytes of its compact text form.
    pub bytes: usize,
    /// How deep it nests: 1 for a scalar or an empty list, 2 for a list of scalars.
    pub depth: usize,
    /// Its values and keys, at all depths.
    pub tokens: usize,
    /// The bytes of its longest string or key, as text and not as JSON.
    pub string_bytes: usize,
}

/// Measures a value without writing it.
#[must_use]
pub fn measure(value: &Value) -> Measure {
    let mut walk = Walk::new(value);
    while walk.step() {}
    walk.measure
}

/// What a JSON value may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// The bytes of its compact text form.
    pub bytes_max: usize,
    /// How deep it nests.
    pub depth_max: usize,
    /// Its values and keys.
    pub tokens_max: usize,
    /// The bytes of one string or key.
    pub string_bytes_max: usize,
}

/// A JSON value is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {actual} or more, at most {limit} allowed")]
pub struct JsonTooLarge {
    /// The code of the problem: `json_too_deep`, `json_too_many_values`, `json_string_too_long`, `json_too_large`.
    pub code: &'static str,
    what: &'static str,
    /// The limit.
    pub limit: usize,
    /// How much was found; the search stops there.
    pub actual: usize,
}

impl JsonLimits {
    /// Checks a value; stops at the first limit that it breaks.
    ///
    /// # Errors
    ///
    /// [`JsonTooLarge`] with the limit and what was found.
    pub fn check(&self, value: &Value) -> Result<(), JsonTooLarge> {
        let mut walk = Walk::new(value);
        loop {
            let more = walk.step();
            self.compare(walk.measure)?;
            if !more {
                return Ok(());
            }
        }
    }

    fn compare(&self, found: Measure) -> Result<(), JsonTooLarge> {
        let checks = [
            ("json_too_deep", "the value nests too deep", self.depth_max, found.depth),
            ("json_too_many_values", "the value has too many values and keys", self.tokens_max, found.tokens),
            ("json_string_too_long", "a string has too many bytes", self.string_bytes_max, found.string_bytes),
            ("json_too_large", "the value has too many bytes", self.bytes_max, found.bytes),
        ];
        match checks.into_iter().find(|(_, _, limit, actual)| actual > limit) {
            Some((code, what, limit, actual)) => Err(JsonTooLarge { code, what, limit, actual }),
            None => Ok(()),
        }
    }
}

/// A walk over a value that has its own stack: the depth of the value is not the depth of ours.
struct Walk<'a> {
    open: Vec<(&'a Value, usize)>,
    measure: Measure,
}

impl<'a> Walk<'a> {
    fn new(value: &'a Value) -> Self {
        Self { open: vec![(value, 1)], measure: Measure::default() }
    }

    /// Takes in one value, without what is in it. Returns false when none is left.
    fn step(&mut self) -> bool {
        let Some((value, depth)) = self.open.pop() else { return false };
        self.measure.depth = self.measure.depth.max(depth);
        self.measure.tokens += 1;
        self.measure.bytes += match value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Number(number) => text_bytes(number),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.open.extend(items.iter().map(|item| (item, depth + 1)));
                items.len().max(1) + 1
            }
            Value::Object(members) => {
                self.open.extend(members.values().map(|member| (member, depth + 1)));
                self.measure.tokens += members.len();
                let keys: usize = members.keys().map(|key| self.string(key) + 1).sum();
                keys + members.len().max(1) + 1
            }
        };
        true
    }

    fn string(&mut self, text: &str) -> usize {
        self.measure.string_bytes = self.measure.string_bytes.max(text.len());
        let escapes: usize = text.bytes().map(escape_bytes).sum();
        text.len() + escapes + 2
    }
}

/// How many bytes a byte of a string takes more in JSON than as text.
const fn escape_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0A | 0x0C | 0x0D => 1,
        0x00..=0x1F => 5,
        _ => 0,
    }
}

fn text_bytes(number: &Number) -> usize {
    struct Counter(usize);

    impl fmt::Write for Counter {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }

    let mut counter = Counter(0);
    // A counter takes everything.
    let _infallible = write!(counter, "{number}");
    counter.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMITS: JsonLimits = JsonLimits { bytes_max: 40, depth_max: 3, tokens_max: 8, string_bytes_max: 10 };

    fn values() -> impl Strategy<Value = Value> {
        let number = prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::num::f64::ANY.prop_map(Value::from),
            (-40i32..40, any::<i32>()).prop_map(|(exponent, digits)| (f64::from(digits) * 10f64.powi(exponent)).into()),
        ];
        let text = prop_oneof![".*", "[\u{0}-\u{1f}\"\\\\/\u{7f}\u{fffd}]{0,4}"];
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool), number, text.prop_map(Value::String)];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map("[a\u{0}\u{fffd}]{0,3}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// What `jsonb` makes of a number's text: it has no negative zero and no exponents.
    fn as_jsonb_writes(float: f64) -> String {
        let text = format!("{float}");
        if float.fract() != 0.0 || Number::from_f64(float).unwrap().to_string().contains('e') {
            return text;
        }
        format!("{}.0", if float == 0.0 { "0" } else { &text })
    }

    #[test]
    fn nul_becomes_the_replacement_character_in_values_and_keys() {
        let (value, changed) = clean(json!({"a\0": ["\0x", 1], "b": {"c": "d\0"}}));

        assert!(changed);
        assert_eq!(value, json!({"a\u{fffd}": ["\u{fffd}x", 1], "b": {"c": "d\u{fffd}"}}));
    }

    #[test]
    fn no_member_is_lost_when_keys_become_equal() {
        let (value, changed) = clean(json!({"\0": 1, "\u{fffd}": 2, "\u{fffd}\u{fffd}": 3}));

        assert!(changed);
        assert_eq!(value, json!({"\u{fffd}\u{fffd}\u{fffd}": 1, "\u{fffd}": 2, "\u{fffd}\u{fffd}": 3}));
    }

    #[test]
    fn numbers_become_what_jsonb_gives_back() {
        let cases = [
            ("-0.0", "0.0"),
            ("-0", "0.0"),
            ("0.0", "0.0"),
            ("1.0", "1.0"),
            ("-1.50", "-1.5"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "10000000000000000"),
            ("-1e18", "-1000000000000000000"),
            ("18446744073709549568.0", "18446744073709549568"),
            ("18446744073709551616.0", "18446744073709552000.0"),
            ("-1e19", "-1e19"),
            ("1e300", "1e300"),
            ("5e-324", "5e-324"),
            ("18446744073709551615", "18446744073709551615"),
        ];
        for (given, expected) in cases {
            let (value, changed) = clean(serde_json::from_str(given).unwrap());
            assert_eq!(value, serde_json::from_str::<Value>(expected).unwrap(), "{given}");
            assert!(!changed, "{given}");
        }
    }

    #[test]
    fn a_value_is_measured_as_it_is_written() {
        let found = measure(&json!({"a": [1, "\n", []], "bc": null}));

        assert_eq!(found, Measure { bytes: 27, depth: 3, tokens: 8, string_bytes: 2 });
        assert_eq!(measure(&Value::Null), Measure { bytes: 4, depth: 1, tokens: 1, string_bytes: 0 });
    }

    #[test]
    fn each_limit_is_held_at_its_figure_and_not_one_past_it() {
        let cases = [
            (json!([[0]]), json!([[[0]]]), "json_too_deep"),
            (json!([0, 0, 0, 0, 0, 0, 0]), json!([0, 0, 0, 0, 0, 0, 0, 0]), "json_too_many_values"),
            (json!("x".repeat(10)), json!("x".repeat(11)), "json_string_too_long"),
            (json!({"x".repeat(10): 1}), json!({"x".repeat(11): 1}), "json_string_too_long"),
            (
                json!(["x".repeat(10), "y".repeat(10), "z".repeat(10)]),
                json!(["x".repeat(10), "y".repeat(10), "123456789", 1]),
                "json_too_large",
            ),
        ];
        for (fits, breaks, code) in cases {
            assert_eq!(LIMITS.check(&fits), Ok(()), "{fits}");
            let error = LIMITS.check(&breaks).unwrap_err();
            assert_eq!((error.code, error.actual), (code, error.limit + 1), "{breaks}");
        }
    }

    #[test]
    fn a_value_of_any_depth_is_measured_and_cleaned() {
        const DEPTH: usize = 200_000;
        let mut value = json!("\0");
        for _ in 1..DEPTH {
            value = Value::Array(vec![value]);
        }

        let (mut cleaned, changed) = clean(value);
        assert!(changed);
        assert_eq!(measure(&cleaned).depth, DEPTH);
        assert_eq!(LIMITS.check(&cleaned).unwrap_err().code, "json_too_deep");
        // Dropping it whole would recurse.
        while let Value::Array(items) = &mut cleaned {
            cleaned = items.pop().unwrap();
        }
    }

    proptest! {
        #[test]
        fn the_measured_bytes_are_those_of_the_text(value in values()) {
            prop_assert_eq!(measure(&value).bytes, serde_json::to_vec(&value).unwrap().len());
        }

        #[test]
        fn a_clean_value_has_no_nul_and_stays_as_it_is(value in values()) {
            let (once, _) = clean(value.clone());

            prop_assert!(!once.to_string().contains("\\u0000"));
            prop_assert_eq!(measure(&once).tokens, measure(&value).tokens);
            prop_assert_eq!(clean(once.clone()), (once, false));
        }

        #[test]
        fn a_clean_float_survives_jsonb(float in any::<f64>()) {
            let (value, _) = clean(float.into());
            let stored = if value.is_f64() { as_jsonb_writes(float) } else { value.to_string() };

            prop_assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), value);
        }

        #[test]
        fn the_check_agrees_with_the_measure(value in values()) {
            let found = measure(&value);
            let fits = found.bytes <= LIMITS.bytes_max
                && found.depth <= LIMITS.depth_max
                && found.tokens <= LIMITS.tokens_max
                && found.string_bytes <= LIMITS.string_bytes_max;

            prop_assert_eq!(LIMITS.check(&value).is_ok(), fits);
        }
    }
}
