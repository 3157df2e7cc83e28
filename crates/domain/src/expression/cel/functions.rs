//! The functions that expressions have beyond CEL's own. Each pays for what it is about to make.

use std::{collections::BTreeMap, sync::Arc};

use ::cel::{
    Context, ExecutionError, FunctionContext,
    common::{
        types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString},
        value::{CowVal, Val},
    },
};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::{
    Meter,
    compile::Program,
    convert,
    meter::Exhausted,
    rewrite::{CHARGE, LOOP, MATCHES},
};
use crate::limits::EXPRESSION_OUTPUT_BYTES_MAX;

/// How a function is computed: its receiver is the first argument.
type Compute = fn(&Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError>;

/// The functions: name, how many arguments at least and at most, and how they are computed.
const FUNCTIONS: [(&str, usize, usize, Compute); 9] = [
    ("join", 1, 2, join),
    ("split", 2, 2, split),
    ("lower", 1, 1, |call| Ok(Box::new(CelString::from(call.text(0)?.to_lowercase())))),
    ("upper", 1, 1, |call| Ok(Box::new(CelString::from(call.text(0)?.to_uppercase())))),
    ("trim", 1, 1, |call| Ok(Box::new(CelString::from(call.text(0)?.trim().to_owned())))),
    ("replace", 3, 3, replace),
    ("toJson", 1, 1, to_json),
    ("fromJson", 1, 1, from_json),
    (MATCHES, 2, 2, matches),
];

/// The names of the functions, as they are written in a tree.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// The size of a compiled pattern: enough for what people write, too little to be slow.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// What compiling a pattern costs that is only known when it is used.
const PATTERN_UNITS: u64 = Meter::BUDGET / 100;

/// Compiles a pattern of `matches`.
pub(super) fn pattern(source: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build()
}

/// Makes the functions known that a program calls.
pub(super) fn declare(context: &mut Context<'_, '_>, program: &Program, meter: &Arc<Meter>) {
    if program.functions.contains(CHARGE) {
        add(context, CHARGE, meter, |call, meter| {
            let value = call.args.pop().ok_or_else(|| call.error("needs a value"))?;
            charge(meter, convert::cel_units(&*value, meter.left()))?;
            Ok(value)
        });
    }
    if program.functions.contains(LOOP) {
        add(context, LOOP, meter, |call, meter| {
            let nodes = call.args.pop().and_then(|nodes| nodes.downcast_ref::<CelInt>().map(|nodes| *nodes.inner()));
            let range = call.args.pop().ok_or_else(|| call.error("needs a range"))?;
            let rounds = range.as_sizer().map_or(0, |sizer| *sizer.size().inner());
            let rounds_cost = rounds.unsigned_abs().saturating_mul(nodes.unwrap_or(1).unsigned_abs());
            charge(meter, convert::cel_units(&*range, meter.left()).saturating_add(rounds_cost))?;
            Ok(ordered(range))
        });
    }
    for &(name, least, most, compute) in FUNCTIONS.iter().filter(|(name, ..)| program.functions.contains(name)) {
        let patterns = Arc::clone(&program.patterns);
        add(context, name, meter, move |call, meter| {
            let mut arguments = Vec::with_capacity(most);
            arguments.extend(call.this.take());
            arguments.append(&mut call.args);
            let name = name.trim_start_matches('@');
            if !(least..=most).contains(&arguments.len()) {
                return Err(ExecutionError::function_error(name, format!("needs {} arguments", usage(least, most))));
            }
            let call = Call { name, arguments: &arguments, meter, patterns: &patterns };
            for argument in &arguments {
                call.charge(convert::cel_units(&**argument, meter.left()))?;
            }
            compute(&call).map(CowVal::Owned)
        });
    }
}

/// The range of a loop in an order: that of the keys where it is a map. The library has none for them, and what an
/// expression gives must be the same when a run is recovered.
fn ordered<'c, 'v>(range: CowVal<'c, 'v>) -> CowVal<'c, 'v> {
    let Some(map) = range.downcast_ref::<CelMap>() else { return range };
    let mut keys: Vec<_> = map.inner().keys().cloned().map(CelMapKey::into_static).collect();
    keys.sort();
    let boxed = |key| -> Box<dyn Val> {
        match key {
            CelMapKey::Bool(key) => Box::new(key),
            CelMapKey::Int(key) => Box::new(key),
            CelMapKey::String(key) => Box::new(key),
            CelMapKey::UInt(key) => Box::new(key),
        }
    };
    CowVal::Owned(Box::new(CelList::from(keys.into_iter().map(boxed).collect::<Vec<_>>())))
}

fn usage(least: usize, most: usize) -> String {
    if least == most { least.to_string() } else { format!("{least} or {most}") }
}

fn add<F>(context: &mut Context<'_, '_>, name: &str, meter: &Arc<Meter>, function: F)
where
    F: for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>, &Meter) -> Result<CowVal<'c, 'v>, ExecutionError>
        + Send
        + Sync
        + 'static,
{
    /// The library's own type of functions, which it does not export.
    type Function =
        Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync>;

    let meter = Arc::clone(meter);
    let function: Function = Box::new(move |call| function(call, &meter));
    // It is refused only if the standard library has one of the same name, and a test calls each.
    let _ = context.add_function(name, function);
}

fn charge(meter: &Meter, units: u64) -> Result<(), ExecutionError> {
    meter.charge(units).map_err(|Exhausted| ExecutionError::function_error("budget", "it is used up"))
}

/// A call of one of the functions.
struct Call<'a, 'c, 'v> {
    name: &'a str,
    arguments: &'a [CowVal<'c, 'v>],
    meter: &'a Meter,
    patterns: &'a BTreeMap<String, Regex>,
}

impl Call<'_, '_, '_> {
    fn charge(&self, units: u64) -> Result<(), ExecutionError> {
        charge(self.meter, units)
    }

    /// Pays for a result of so many bytes, before it is made.
    fn charge_result(&self, bytes: usize) -> Result<(), ExecutionError> {
        if bytes > EXPRESSION_OUTPUT_BYTES_MAX {
            // More than any value may have: the expression as a whole is too costly.
            return self.charge(u64::MAX);
        }
        self.charge(Meter::text(bytes))
    }

    fn error(&self, message: impl ToString) -> ExecutionError {
        ExecutionError::function_error(self.name, message)
    }

    fn value(&self, index: usize) -> Result<&dyn Val, ExecutionError> {
        self.arguments.get(index).map(|value| &**value).ok_or_else(|| self.error("an argument is missing"))
    }

    fn text(&self, index: usize) -> Result<&str, ExecutionError> {
        let value = self.value(index)?;
        value.downcast_ref::<CelString>().map(CelString::inner).ok_or_else(|| {
            self.error(format!("needs a string, not a {}; string(x) makes one", value.get_type().name()))
        })
    }
}

fn join(call: &Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError> {
    let value = call.value(0)?;
    let separator = if call.arguments.len() > 1 { call.text(1)? } else { "" };
    let list = value
        .downcast_ref::<CelList>()
        .ok_or_else(|| call.error(format!("needs a list, not a {}", value.get_type().name())))?;
    let texts: Vec<&str> = list
        .iter()
        .map(|item| item.downcast_ref::<CelString>().map(CelString::inner))
        .collect::<Option<_>>()
        .ok_or_else(|| call.error("needs a list of strings; write list.map(x, string(x)) first"))?;
    let separators = separator.len().saturating_mul(texts.len());
    call.charge_result(texts.iter().map(|text| text.len()).sum::<usize>().saturating_add(separators))?;
    Ok(Box::new(CelString::from(texts.join(separator))))
}

fn split(call: &Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    let parts = match separator {
        "" => text.chars().count(),
        _ => text.matches(separator).count() + 1,
    };
    call.charge((parts as u64).saturating_mul(Meter::VALUE))?;
    call.charge_result(text.len())?;
    let part = |part: &str| Box::new(CelString::from(part.to_owned())) as Box<dyn Val>;
    let list: Vec<Box<dyn Val>> = match separator {
        "" => text.chars().map(|char| part(char.encode_utf8(&mut [0; 4]))).collect(),
        _ => text.split(separator).map(part).collect(),
    };
    Ok(Box::new(CelList::from(list)))
}

fn replace(call: &Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError> {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let places = text.matches(from).count();
    call.charge_result(text.len().saturating_add(places.saturating_mul(to.len())))?;
    Ok(Box::new(CelString::from(text.replace(from, to))))
}

fn to_json(call: &Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError> {
    let json =
        convert::to_json(call.value(0)?, EXPRESSION_OUTPUT_BYTES_MAX).map_err(|error| call.error(error.message))?;
    let text = json.to_string();
    call.charge_result(text.len())?;
    Ok(Box::new(CelString::from(text)))
}

fn from_json(call: &Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError> {
    let json: Value =
        serde_json::from_str(call.text(0)?).map_err(|error| call.error(format!("this is not JSON: {error}")))?;
    call.charge(convert::json_weight(&json).units())?;
    Ok(convert::to_owned_cel(&json))
}

fn matches(call: &Call<'_, '_, '_>) -> Result<Box<dyn Val>, ExecutionError> {
    let (text, source) = (call.text(0)?, call.text(1)?);
    let is_match = if let Some(pattern) = call.patterns.get(source) {
        pattern.is_match(text)
    } else {
        call.charge(PATTERN_UNITS)?;
        let pattern = pattern(source).map_err(|error| call.error(format!("not a pattern: {error}")))?;
        pattern.is_match(text)
    };
    Ok(Box::new(CelBool::from(is_match)))
}
