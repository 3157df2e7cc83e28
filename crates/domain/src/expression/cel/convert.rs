//! JSON to CEL and back, and what values weigh.
//!
//! The library's own conversion makes every whole number of JSON an unsigned one, to which nothing can
//! be added: here integers are CEL's `int` as long as they fit.

use std::collections::HashMap;

use ::cel::common::{
    types::{
        CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString,
        CelTimestamp, CelUInt,
    },
    value::Val,
};
use chrono::SecondsFormat;
use serde_json::{Map, Number, Value};

use super::{ExpressionError, Meter};

/// JSON as a CEL value that borrows its text.
pub(super) fn to_cel<'v>(json: &'v Value) -> Box<dyn Val + 'v> {
    match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => number_to_cel(number),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(to_cel).collect::<Vec<_>>())),
        Value::Object(entries) => {
            let entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
                entries.iter().map(|(key, value)| (CelMapKey::from(key.as_str()), to_cel(value))).collect();
            Box::new(CelMap::from(entries))
        }
    }
}

/// JSON as a CEL value of its own.
pub(super) fn to_owned_cel(json: &Value) -> Box<dyn Val> {
    match json {
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(to_owned_cel).collect::<Vec<_>>())),
        Value::Object(entries) => {
            let entries: HashMap<CelMapKey<'static>, Box<dyn Val>> =
                entries.iter().map(|(key, value)| (CelMapKey::from(key.clone()), to_owned_cel(value))).collect();
            Box::new(CelMap::from(entries))
        }
        Value::Number(number) => number_to_cel(number),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Null => Box::new(CelNull),
    }
}

fn number_to_cel<'v>(number: &Number) -> Box<dyn Val + 'v> {
    if let Some(value) = number.as_i64() {
        Box::new(CelInt::from(value))
    } else if let Some(value) = number.as_u64() {
        Box::new(CelUInt::from(value))
    } else {
        Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
    }
}

/// A CEL value as JSON of at most so many bytes. Moments and durations become text, as CEL's `string()`
/// writes them; what JSON has no form for is refused.
pub(super) fn to_json(value: &dyn Val, bytes_max: usize) -> Result<Value, ExpressionError> {
    Writer { bytes_max, bytes_left: bytes_max }.json(value)
}

/// The refusal of a value that is too large.
pub(super) fn too_large(bytes_max: usize) -> ExpressionError {
    ExpressionError::too_costly(format!("the value of an expression may have {bytes_max} bytes, this one has more"))
}

struct Writer {
    bytes_max: usize,
    bytes_left: usize,
}

impl Writer {
    fn json(&mut self, value: &dyn Val) -> Result<Value, ExpressionError> {
        if let Some(text) = value.downcast_ref::<CelString>() {
            self.take(text.inner().len() + 2)?;
            return Ok(Value::String(text.inner().to_owned()));
        }
        if let Some(list) = value.downcast_ref::<CelList>() {
            self.take(2)?;
            return list.iter().map(|item| self.json(item.as_ref())).collect();
        }
        if let Some(map) = value.downcast_ref::<CelMap>() {
            return self.object(map);
        }
        if let Some(optional) = value.downcast_ref::<CelOptional>() {
            return optional.inner().map_or(Ok(Value::Null), |inner| self.json(inner));
        }
        self.take(8)?;
        scalar(value)
    }

    fn object(&mut self, map: &CelMap<'_>) -> Result<Value, ExpressionError> {
        self.take(2)?;
        let mut object = Map::new();
        for (key, value) in map.iter() {
            let name = match key {
                CelMapKey::String(text) => text.inner().to_owned(),
                CelMapKey::Int(number) => number.inner().to_string(),
                CelMapKey::UInt(number) => number.inner().to_string(),
                CelMapKey::Bool(value) => value.inner().to_string(),
            };
            self.take(name.len() + 3)?;
            object.insert(name, self.json(value.as_ref())?);
        }
        Ok(Value::Object(object))
    }

    fn take(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| too_large(self.bytes_max))?;
        Ok(())
    }
}

fn scalar(value: &dyn Val) -> Result<Value, ExpressionError> {
    if let Some(value) = value.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*value.inner()));
    }
    if let Some(value) = value.downcast_ref::<CelInt>() {
        return Ok(Value::from(*value.inner()));
    }
    if let Some(value) = value.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*value.inner()));
    }
    if let Some(value) = value.downcast_ref::<CelDouble>() {
        return Number::from_f64(*value.inner()).map(Value::Number).ok_or_else(|| {
            ExpressionError::failed("the result is not a number that JSON can hold (infinite, or none)")
        });
    }
    if let Some(value) = value.downcast_ref::<CelTimestamp>() {
        return Ok(Value::String(value.inner().to_rfc3339_opts(SecondsFormat::AutoSi, true)));
    }
    if let Some(value) = value.downcast_ref::<CelDuration>() {
        let seconds = value.inner().num_seconds();
        let nanoseconds = value.inner().subsec_nanos().unsigned_abs();
        let sign = if seconds == 0 && value.inner().subsec_nanos() < 0 { "-" } else { "" };
        let fraction = if nanoseconds == 0 { String::new() } else { format!(".{nanoseconds:09}") };
        return Ok(Value::String(format!("{sign}{seconds}{}s", fraction.trim_end_matches('0'))));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    let hint = if value.downcast_ref::<CelBytes>().is_some() { "; write string(…) around it" } else { "" };
    Err(ExpressionError::failed(format!(
        "the result is a {}, which JSON has no form for{hint}",
        value.get_type().name()
    )))
}

/// What a value weighs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// The values in it.
    pub(super) values: u64,
    /// The bytes of its text, keys included.
    pub(super) bytes: u64,
}

impl Weight {
    /// What it costs to copy or compare.
    pub(super) const fn units(self) -> u64 {
        self.values * Meter::VALUE + self.bytes / 8
    }
}

/// What JSON weighs.
pub(super) fn json_weight(json: &Value) -> Weight {
    let mut weight = Weight::default();
    add_json(json, &mut weight);
    weight
}

fn add_json(json: &Value, weight: &mut Weight) {
    weight.values += 1;
    match json {
        Value::String(text) => weight.bytes += text.len() as u64,
        Value::Array(items) => items.iter().for_each(|item| add_json(item, weight)),
        Value::Object(entries) => {
            for (key, value) in entries {
                weight.bytes += key.len() as u64;
                add_json(value, weight);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a CEL value costs to copy or compare; no more than `enough` is counted.
pub(super) fn cel_units(value: &dyn Val, enough: u64) -> u64 {
    let mut units = 0;
    add_cel(value, enough, &mut units);
    units
}

fn add_cel(value: &dyn Val, enough: u64, units: &mut u64) {
    *units += Meter::VALUE;
    if *units > enough {
        return;
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        *units += Meter::text(text.inner().len());
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        for item in list.iter() {
            if *units > enough {
                return;
            }
            add_cel(item.as_ref(), enough, units);
        }
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        for (key, value) in map.iter() {
            if *units > enough {
                return;
            }
            add_cel(key.inner(), enough, units);
            add_cel(value.as_ref(), enough, units);
        }
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        *units += Meter::text(bytes.inner().len());
    } else if let Some(inner) = value.downcast_ref::<CelOptional>().and_then(CelOptional::inner) {
        add_cel(inner, enough, units);
    }
}
