//! Takes the operator's secrets out of what agents hand back: answers, errors and lines of the log.
//!
//! Other sides repeat what they were sent, in their errors most of all. A secret is found as it is, as JSON escapes
//! it, percent-encoded, and in base64 at any place of a longer text. It is not found in any other form, nor in part:
//! this is a net below those who handle secrets with care, not a reason to hand secrets to code that cannot be trusted.

use std::{collections::BTreeSet, fmt, fmt::Write as _, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};
use turbocat_domain::{execution_log::LogLevel, port::LogSink, step_run::StepError};

use crate::secret::Secret;

/// What stands in place of a secret.
const REDACTED: &str = "[secret]";

/// A shorter text is no secret: it would be found in what has nothing to do with it.
const SECRET_BYTES_MIN: usize = 6;

/// What is left as it is beside letters and digits: by RFC 3986, by `encodeURIComponent` of JavaScript, in forms
/// (`application/x-www-form-urlencoded`), by `quote` of Python, and in the path of a URL.
const UNENCODED: [&str; 5] = ["-._~", "-._~!'()*", "-._*", "-._~/", "-._~!$&'()*+,;=:@/"];

/// Knows the secrets in all their forms.
#[derive(Default)]
pub(crate) struct Redactor {
    /// The longest first, so that none is found inside of another.
    forms: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

impl Redactor {
    pub(crate) fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        // `Bearer TOKEN` may come back without its scheme.
        let texts =
            secrets.into_iter().flat_map(|secret| [Some(secret.expose()), secret.expose().split(' ').next_back()]);
        let forms: BTreeSet<String> =
            texts.flatten().filter(|text| text.len() >= SECRET_BYTES_MIN).flat_map(forms).collect();
        let mut forms: Vec<String> = forms.into_iter().filter(|form| form.len() >= SECRET_BYTES_MIN).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self { forms }
    }

    /// An answer or error of an agent, without secrets.
    pub(crate) fn outcome(&self, outcome: Result<Value, StepError>) -> Result<Value, StepError> {
        match outcome {
            Ok(answer) => Ok(self.value(answer)),
            Err(error) => Err(StepError { message: self.text(error.message), ..error }),
        }
    }

    /// A log that secrets do not reach.
    pub(crate) fn log(self: &Arc<Self>, log: Arc<dyn LogSink>) -> Arc<dyn LogSink> {
        if self.forms.is_empty() { log } else { Arc::new(RedactedLog { log, redactor: Arc::clone(self) }) }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (self.text(name), self.value(value)));
                Value::Object(members.collect::<Map<_, _>>())
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    fn text(&self, mut text: String) -> String {
        for form in &self.forms {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), REDACTED);
            }
        }
        text
    }
}

struct RedactedLog {
    log: Arc<dyn LogSink>,
    redactor: Arc<Redactor>,
}

impl LogSink for RedactedLog {
    fn log(&self, level: LogLevel, message: &str) {
        self.log.log(level, &self.redactor.text(message.to_owned()));
    }
}

fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), escaped(secret)];
    for kept in UNENCODED {
        for case in [Hex::Upper, Hex::Lower] {
            let encoded = percent_encoded(secret, kept, case);
            forms.push(encoded.replace("%20", "+"));
            forms.push(encoded);
        }
    }
    for offset in 0..3 {
        forms.extend(base64_at(secret, offset));
    }
    forms
}

/// As it stands inside of a text in JSON.
fn escaped(secret: &str) -> String {
    let quoted = Value::from(secret).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(secret).to_owned()
}

/// How the digits of an encoded byte are written.
#[derive(Clone, Copy)]
enum Hex {
    Upper,
    Lower,
}

fn percent_encoded(secret: &str, kept: &str, hex: Hex) -> String {
    secret.bytes().fold(String::new(), |mut encoded, byte| {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric() || kept.contains(character) {
            encoded.push(character);
            return encoded;
        }
        // Writing to a text cannot fail.
        let _infallible = match hex {
            Hex::Upper => write!(encoded, "%{byte:02X}"),
            Hex::Lower => write!(encoded, "%{byte:02x}"),
        };
        encoded
    })
}

/// The characters of the base64 of a longer text that depend on the secret alone, when `offset` bytes of a group
/// of three stand before it.
fn base64_at(secret: &str, offset: usize) -> [String; 2] {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let (begin, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
    [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)]
        .map(|text| text.get(begin..end).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "pä ss/w?rd\"+1";

    #[test]
    fn a_secret_is_found_in_every_form_and_what_is_around_it_stays() {
        let redactor = Redactor::of([&Secret::new(SECRET)]);
        let percent = "p%C3%A4%20ss%2Fw%3Frd%22%2B1";
        let plus = "p%C3%A4+ss%2Fw%3Frd%22%2B1";
        let lower = "p%c3%a4%20ss%2fw%3frd%22%2b1";
        for form in [SECRET, "pä ss/w?rd\\\"+1", percent, plus, lower] {
            assert_eq!(redactor.text(format!("<{form}>")), "<[secret]>", "{form}");
        }
        assert_eq!(redactor.text("password".to_owned()), "password");
    }

    #[test]
    fn a_secret_is_found_however_others_encode_it_for_a_url() {
        let redactor = Redactor::of([&Secret::new("AbC/d!e~f (G)*'h")]);
        for form in [
            "AbC%2Fd%21e~f%20%28G%29%2A%27h",
            "AbC%2fd%21e~f%20%28G%29%2a%27h",
            "AbC%2Fd!e~f%20(G)*'h",
            "AbC%2fd!e~f%20(G)*'h",
            "AbC%2Fd%21e%7Ef+%28G%29*%27h",
            "AbC/d%21e~f%20%28G%29%2A%27h",
            "AbC/d!e~f%20(G)*'h",
        ] {
            assert_eq!(redactor.text(format!("<{form}>")), "<[secret]>", "{form}");
        }
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_stands_in_the_text() {
        let redactor = Redactor::of([&Secret::new(SECRET)]);
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "zy", "zyx"] {
                let text = format!("{before}{SECRET}{after}");
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    assert!(redactor.text(encoded.clone()).contains(REDACTED), "{encoded}");
                }
            }
        }
    }

    #[test]
    fn names_and_values_at_any_depth_are_looked_at_and_short_texts_are_no_secrets() {
        let redactor = Redactor::of([&Secret::new("Bearer s3cret-token"), &Secret::new("abc")]);

        let answer = redactor.outcome(Ok(json!({ "s3cret-token": [{ "a": "x s3cret-token y" }, 1, null, "abc"] })));

        assert_eq!(answer, Ok(json!({ "[secret]": [{ "a": "x [secret] y" }, 1, null, "abc"] })));
        assert!(!format!("{redactor:?}").contains("s3cret"));
    }
}
