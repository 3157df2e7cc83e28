//! The library's failures, in words for the author of a workflow.

use std::fmt::{self, Write as _};

use ::cel::{ExecutionError, OverloadError, Value as CelValue};

use super::{ExpressionError, compile::Program, data::Data};

/// The longest part of a message that comes from the library or from data.
const DETAIL_BYTES_MAX: usize = 200;

/// Says why an evaluation failed.
pub(super) fn explain(error: &ExecutionError, program: &Program, data: &Data<'_>) -> ExpressionError {
    ExpressionError::failed(match error {
        ExecutionError::UndeclaredReference(name) => match program.path(name).map(|path| data.find(path)) {
            Some(Err(missing)) => return missing,
            _ => format!("`{name}` is not known here"),
        },
        ExecutionError::NoSuchKey(key) => {
            format!("there is no key `{}`; `has(…)` tells whether there is one", crate::value::excerpt(key))
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let kinds = [kind(left), kind(right)];
            mismatch(&spell(operator), &kinds)
        }
        ExecutionError::NoSuchOverload(overload) => no_overload(overload),
        ExecutionError::UnexpectedType { got, want } => {
            format!("a {} was expected, not {}", want, brief(&got))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "the number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(index) => {
            format!("the list has nothing at [{}]", brief(&kind_or_number(index)))
        }
        ExecutionError::ValuesNotComparable(left, right) => mismatch("comparison", &[kind(left), kind(right)]),
        ExecutionError::FunctionError { function, message } => format!("`{function}`: {}", brief(message)),
        other => brief(other),
    })
}

fn no_overload(overload: &OverloadError) -> String {
    let kinds: Vec<&str> = overload.argument_types().iter().map(String::as_str).collect();
    mismatch(&spell(overload.function()), &kinds)
}

fn mismatch(operation: &str, kinds: &[&str]) -> String {
    let is_number = |kind: &&str| matches!(*kind, "int" | "uint" | "double");
    let hint = if kinds.len() == 2 && kinds.iter().all(is_number) {
        "; both must be of one kind: write double(x) or int(x) around one of them"
    } else if kinds.contains(&"string") && kinds.iter().any(is_number) {
        "; write string(x) around the number, or int(x) around the text"
    } else if kinds.contains(&"null_type") || kinds.contains(&"null") {
        "; one of them is null: test with `x != null` first"
    } else {
        ""
    };
    format!("`{operation}` does not work with {}{hint}", kinds.join(" and "))
}

/// The operator as it is written.
fn spell(name: &str) -> String {
    match name {
        "add" => "+".to_owned(),
        "sub" => "-".to_owned(),
        "mul" => "*".to_owned(),
        "div" => "/".to_owned(),
        "rem" => "%".to_owned(),
        "_[_]" => "[…]".to_owned(),
        "_._" => ".".to_owned(),
        "_?_:_" => "? :".to_owned(),
        "@in" => "in".to_owned(),
        other => other.trim_matches('_').to_owned(),
    }
}

fn kind(value: &CelValue) -> &'static str {
    match value {
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Int(_) => "int",
        CelValue::UInt(_) => "uint",
        CelValue::Float(_) => "double",
        CelValue::String(_) => "string",
        CelValue::Bytes(_) => "bytes",
        CelValue::Bool(_) => "bool",
        CelValue::Duration(_) => "duration",
        CelValue::Timestamp(_) => "timestamp",
        CelValue::Null => "null",
        _ => "value",
    }
}

fn kind_or_number(value: &CelValue) -> String {
    match value {
        CelValue::Int(number) => number.to_string(),
        CelValue::UInt(number) => number.to_string(),
        other => kind(other).to_owned(),
    }
}

/// Writes something that may be huge, and stops early.
fn brief(detail: &dyn fmt::Display) -> String {
    struct Brief(String);

    impl fmt::Write for Brief {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = DETAIL_BYTES_MAX.saturating_sub(self.0.len());
            if text.len() <= room {
                self.0.push_str(text);
                return Ok(());
            }
            self.0.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
            self.0.push('…');
            Err(fmt::Error)
        }
    }

    let mut brief = Brief(String::new());
    // The only failure is the one above: enough is written.
    let _ = write!(brief, "{detail}");
    brief.0
}
