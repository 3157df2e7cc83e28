//! Programs in JavaScript, run by `QuickJS`; only ever called in the child process.
//!
//! A program is a module (so it is strict) whose default export, or else whose function `main`, is called with the
//! inputs and the context. Nothing but the language is there: no file, no network, no timers, no `import`.

use std::{
    cell::Cell,
    mem::ManuallyDrop,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit};
use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Error, Function, Module, Object, Promise, Runtime, Value,
    promise::PromiseState,
};
use serde_json::value::RawValue;

use super::console;
use crate::child::{Answer, Failure, JavascriptCall, Limits};

/// The name of the module in stack traces.
pub(super) const MODULE: &str = "agent.js";

/// Makes `main` visible without an export; on a line of its own, so that no line of the program moves.
const EPILOGUE: &str = "\n;globalThis.__turbocat_main = typeof main === 'function' ? main : undefined;\n";

const NO_FUNCTION: &str =
    "the program has neither `export default function (inputs, context)` nor `function main(inputs, context)`";

/// Runs a program and returns the JSON text of what its function gave.
pub(crate) fn run(call: &JavascriptCall, limits: &Limits) -> Answer {
    let engine = Engine::start(limits)?;
    let text = engine.with(|ctx, clock| {
        let module = evaluate(&ctx, &call.source, clock)?;
        let function = entry(&ctx, &module)?;
        let inputs = ctx.json_parse(call.inputs.get())?;
        let context = ctx.json_parse(call.context.get())?;
        let returned: Value<'_> = function.call((inputs, context))?;
        let value = settle(&ctx, returned, clock)?;
        to_json(&ctx, value, limits)
    })?;
    RawValue::from_string(text).map_err(|error| Failure::new("invalid_output", error.to_string()))
}

/// Parses a program without running it.
pub(crate) fn check(source: &str, limits: &Limits) -> Answer {
    let engine = Engine::start(limits)?;
    engine.with(|ctx, _clock| Ok(Module::declare(ctx, MODULE, source).map(|_module| ())?))?;
    Ok(RawValue::NULL.to_owned())
}

/// Why a program stopped: by JavaScript's own means, or by ours.
pub(super) enum Stop {
    Engine(Error),
    Failure(Failure),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// When a program must have ended.
#[derive(Clone)]
struct Deadline {
    at: Instant,
    passed: Rc<Cell<bool>>,
}

impl Deadline {
    fn check(&self) -> bool {
        if Instant::now() >= self.at {
            self.passed.set(true);
        }
        self.passed.get()
    }
}

/// An interpreter with its limits. Never taken down: the process ends right after it.
struct Engine {
    context: ManuallyDrop<Context>,
    deadline: Deadline,
    memory_bytes: u64,
    timeout_ms: u64,
}

impl Engine {
    fn start(limits: &Limits) -> Result<Self, Failure> {
        let broken = |error: Error| Failure::new("out_of_memory", format!("the interpreter does not start: {error}"));
        let runtime = Runtime::new().map_err(broken)?;
        runtime.set_memory_limit(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX));
        runtime.set_max_stack_size(stack_bytes());
        let deadline = Deadline {
            at: Instant::now() + Duration::from_millis(limits.timeout_ms),
            passed: Rc::new(Cell::new(false)),
        };
        let watch = deadline.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || watch.check())));
        let context = Context::full(&runtime).map_err(broken)?;
        let (memory_bytes, timeout_ms) = (limits.memory_bytes, limits.timeout_ms);
        Ok(Self { context: ManuallyDrop::new(context), deadline, memory_bytes, timeout_ms })
    }

    fn with<T>(&self, run: impl for<'js> FnOnce(Ctx<'js>, &Deadline) -> Result<T, Stop>) -> Result<T, Failure> {
        self.context.with(|ctx| {
            let outcome = console::install(&ctx).map_err(Stop::from).and_then(|()| run(ctx.clone(), &self.deadline));
            outcome.map_err(|stop| match stop {
                _ if self.deadline.passed.get() => self.timeout(),
                Stop::Failure(failure) => failure,
                Stop::Engine(error) => self.explain(&ctx, error),
            })
        })
    }

    fn timeout(&self) -> Failure {
        Failure::new("timeout", format!("the program did not end within {} ms", self.timeout_ms))
    }

    fn explain(&self, ctx: &Ctx<'_>, error: Error) -> Failure {
        let caught = CaughtError::from_error(ctx, error);
        let mib = self.memory_bytes >> 20;
        if matches!(caught, CaughtError::Error(Error::Allocation | Error::Unknown))
            || console::is_out_of_memory(&caught)
        {
            return Failure::new("out_of_memory", format!("the program needs more than its {mib} MiB of memory"));
        }
        if matches!(&caught, CaughtError::Value(value) if value.is_null()) {
            // An engine without any memory left has no other way to say so, and hardly anybody else throws this.
            let message = format!("the program needs more than its {mib} MiB of memory, or it threw `null`");
            return Failure::new("out_of_memory", message);
        }
        let message = console::describe(ctx, &caught);
        // What a thrown object does when it is looked at counts as well.
        if self.deadline.passed.get() { self.timeout() } else { Failure::new("code_failed", message) }
    }
}

/// Half of what the process has: native functions of the engine recurse, too.
fn stack_bytes() -> usize {
    let available = getrlimit(Resource::RLIMIT_STACK).map_or(8 << 20, |(soft, _)| soft);
    usize::try_from(available / 2).unwrap_or(usize::MAX).min(4 << 20)
}

fn evaluate<'js>(ctx: &Ctx<'js>, source: &str, deadline: &Deadline) -> Result<Object<'js>, Stop> {
    let module = Module::declare(ctx.clone(), MODULE, format!("{source}{EPILOGUE}"))?;
    let (module, done) = module.eval()?;
    wait(ctx, &done, deadline)?;
    Ok(module.namespace()?)
}

fn entry<'js>(ctx: &Ctx<'js>, module: &Object<'js>) -> Result<Function<'js>, Stop> {
    let main: Value<'js> = ctx.globals().get("__turbocat_main")?;
    ctx.globals().remove("__turbocat_main")?;
    let exported: Value<'js> = module.get("default")?;
    let function = exported.into_function().or_else(|| main.into_function());
    function.ok_or_else(|| Failure::new("code_failed", NO_FUNCTION).into())
}

/// What a promise comes to; any other value is its own answer.
fn settle<'js>(ctx: &Ctx<'js>, returned: Value<'js>, deadline: &Deadline) -> Result<Value<'js>, Stop> {
    match returned.clone().into_promise() {
        Some(promise) => wait(ctx, &promise, deadline),
        None => Ok(returned),
    }
}

/// Runs what is waiting to be run until the promise has an answer.
fn wait<'js>(ctx: &Ctx<'js>, promise: &Promise<'js>, deadline: &Deadline) -> Result<Value<'js>, Stop> {
    while promise.state() == PromiseState::Pending {
        if deadline.check() {
            return Err(Error::WouldBlock.into());
        }
        if !ctx.execute_pending_job() {
            let message = "a promise was never resolved, and nothing is left to run that could resolve it";
            return Err(Failure::new("code_failed", message).into());
        }
    }
    Ok(promise.finish::<Value<'js>>()?)
}

fn to_json<'js>(ctx: &Ctx<'js>, value: Value<'js>, limits: &Limits) -> Result<String, Stop> {
    if value.is_undefined() {
        let message = "the function returned nothing; return a value, `null` if there is none";
        return Err(Failure::new("no_output", message).into());
    }
    let kind = value.type_name();
    let text = match ctx.json_stringify(value).catch(ctx) {
        Ok(Some(text)) => text.to_cstring()?,
        Ok(None) => return Err(Failure::new("invalid_output", format!("a {kind} cannot be JSON")).into()),
        Err(caught) if console::is_type_error(&caught) => {
            let message = format!("the answer cannot be JSON: {}", console::describe(ctx, &caught));
            return Err(Failure::new("invalid_output", message).into());
        }
        Err(caught) => return Err(caught.throw(ctx).into()),
    };
    let (length, limit) = (text.len(), limits.output_bytes);
    if u64::try_from(length).is_ok_and(|length| length > limit) {
        let message = format!("the answer has {length} bytes as JSON; {limit} are allowed");
        return Err(Failure::new("output_too_large", message).into());
    }
    Ok(mend_surrogates(text.as_str()))
}

/// Puts U+FFFD where half of a surrogate pair stands alone: JavaScript's text may hold it, JSON's may not. Those
/// that form a pair are not written as escapes.
fn mend_surrogates(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, escape)) = rest.split_once('\\') {
        mended.push_str(before);
        let lone = matches!(escape.as_bytes(), [b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
        let length = if lone { 5 } else { escape.chars().next().map_or(0, char::len_utf8) };
        let (sequence, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        mended.push('\\');
        mended.push_str(if lone { "ufffd" } else { sequence });
        rest = after;
    }
    mended.push_str(rest);
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_becomes_the_replacement_character_and_everything_else_stays() {
        assert_eq!(mend_surrogates(r#""a\ud83db""#), r#""a\ufffdb""#);
        assert_eq!(mend_surrogates(r#""\\ud83d\n\"é""#), r#""\\ud83d\n\"é""#);
    }
}
