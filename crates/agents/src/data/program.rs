//! Programs in jq, run by jaq; only ever called in the child process.
//!
//! What would look out of the program is not there: `env`, `$ENV`, `input`, `now`, `halt`, modules.

use jaq_core::{
    Compiler, Ctx, DataT, Error, RunPtr, Vars,
    data::JustLut,
    load::{self, Arena, File, Loader},
    native::{Filter as Named, run as native, v},
    unwrap_valr,
};
use jaq_json::Val;
use serde_json::value::RawValue;

use super::value::{from_json, to_json};
use crate::child::{Answer, Failure, JqCall, Level, Limits, log};

/// What the program may not call; `debug` and `stderr` are replaced by lines of the log, `halt` by an error.
const REFUSED: [&str; 5] = ["env", "now", "halt", "debug_empty", "stderr_empty"];

type Program = jaq_core::Filter<JustLut<Val>>;

/// Runs a program on its inputs.
pub(crate) fn run(call: &JqCall, limits: &Limits) -> Answer {
    let program = compile(&call.program)?;
    let input = from_json(call.inputs.get())?;
    let context = Ctx::<JustLut<Val>>::new(&program.lut, Vars::new([]));
    let mut outputs = program.id.run((context, input)).map(unwrap_valr).map(|output| {
        let output = output.map_err(|error| Failure::new("data_failed", error.to_string()))?;
        to_json(&output)
    });
    let answer = if call.collect {
        serde_json::Value::Array(outputs.collect::<Result<_, _>>()?)
    } else {
        let first = outputs.next().transpose()?.unwrap_or_default();
        if let Some(second) = outputs.next() {
            second?;
            let message = "the program has more than one output; put it into `[ ]`, or set `collect: true`";
            return Err(Failure::new("data_failed", message));
        }
        first
    };
    let text = serde_json::to_string(&answer).map_err(|error| Failure::new("invalid_output", error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > limits.output_bytes) {
        let message = format!("the answer has {} bytes as JSON; {} are allowed", text.len(), limits.output_bytes);
        return Err(Failure::new("output_too_large", message));
    }
    RawValue::from_string(text).map_err(|error| Failure::new("invalid_output", error.to_string()))
}

/// Parses a program and resolves its names.
pub(crate) fn check(program: &str) -> Answer {
    compile(program).map(|_program| RawValue::NULL.to_owned())
}

fn compile(code: &str) -> Result<Program, Failure> {
    let wrong =
        |problems: Vec<String>| Failure::new("data_failed", format!("the program is wrong: {}", problems.join("; ")));
    let arena = Arena::default();
    let prelude = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let modules = Loader::new(prelude)
        .load(&arena, File { code, path: () })
        .map_err(|errors| wrong(errors.into_iter().flat_map(|(_, error)| syntax(code, error)).collect()))?;
    let library = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let safe = library.filter(|(name, ..)| !REFUSED.contains(name)).chain(own().map(native::<JustLut<Val>>));
    Compiler::<_, JustLut<Val>>::default().with_funs(safe).compile(modules).map_err(|errors| {
        let unknown = errors.into_iter().flat_map(|(_, names)| names);
        wrong(unknown.map(|(name, kind)| format!("unknown {} `{name}`{}", kind.as_str(), place(code, name))).collect())
    })
}

/// The filters that take the place of those that would reach out of the program.
fn own() -> impl Iterator<Item = Named<RunPtr<JustLut<Val>>>> {
    let filters: [Named<RunPtr<JustLut<Val>>>; 3] = [
        ("debug_empty", v(0), |cv| print(Level::Debug, &cv.1)),
        ("stderr_empty", v(0), |cv| print(Level::Warn, &cv.1)),
        ("halt", v(1), |_| Box::new(std::iter::once(Err(Error::str("`halt` is not available").into())))),
    ];
    filters.into_iter()
}

fn print<'a>(level: Level, value: &Val) -> jaq_core::ValXs<'a, <JustLut<Val> as DataT>::V<'a>> {
    log(level, &value.to_string());
    Box::new(std::iter::empty())
}

fn syntax(code: &str, error: load::Error<&str>) -> Vec<String> {
    match error {
        load::Error::Io(modules) => modules.into_iter().map(|(path, _)| format!("no module `{path}`")).collect(),
        load::Error::Lex(errors) => errors
            .into_iter()
            .map(|(expected, found)| format!("expected {}{}", expected.as_str(), place(code, found)))
            .collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, found)| format!("expected {}{}", expected.as_str(), place(code, found)))
            .collect(),
    }
}

/// ` (line 1, column 5)`, where the part lies in the code; parts of the prelude have no place.
fn place(code: &str, part: &str) -> String {
    let offset = (part.as_ptr() as usize).checked_sub(code.as_ptr() as usize);
    let Some(before) = offset.and_then(|offset| code.get(..offset)) else { return String::new() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!(" (line {line}, column {column})")
}
