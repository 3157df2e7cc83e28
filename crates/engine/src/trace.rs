//! The trace that an execution belongs to: it is kept with what started it, so that whichever process runs a step goes on
//! with it.

use serde_json::Value;
use turbocat_trace::{HEADER, Traceparent};

/// The trace that an execution was given with what started it.
pub(crate) fn of(trigger_data: &Value) -> Option<Traceparent> {
    trigger_data.get(HEADER).and_then(Value::as_str).and_then(Traceparent::parse)
}

/// The same data, of an execution that goes on with a trace.
pub(crate) fn with(mut trigger_data: Value, trace: Option<Traceparent>) -> Value {
    if let (Some(trace), Some(data)) = (trace, trigger_data.as_object_mut()) {
        data.insert(HEADER.to_owned(), Value::String(trace.to_string()));
    }
    trigger_data
}
