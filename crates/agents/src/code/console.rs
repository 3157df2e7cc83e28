//! The `console` of a program, and how a thing that was thrown reads.

use rquickjs::{CaughtError, Coerced, Ctx, Exception, Function, Object, Value, prelude::Rest};

use super::javascript::MODULE;
use crate::child::{Level, log};

/// Puts `console` into the global scope; each call is one line of the execution's log.
pub(super) fn install<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<()> {
    let console = Object::new(ctx.clone())?;
    for (name, level) in [
        ("debug", Level::Debug),
        ("log", Level::Info),
        ("info", Level::Info),
        ("warn", Level::Warn),
        ("error", Level::Error),
    ] {
        let write = move |ctx: Ctx<'js>, arguments: Rest<Value<'js>>| {
            let parts: Vec<String> = arguments.0.into_iter().map(|value| to_text(&ctx, &value)).collect();
            log(level, &parts.join(" "));
        };
        console.set(name, Function::new(ctx.clone(), write)?)?;
    }
    ctx.globals().set("console", console)
}

/// Text as it is, errors with their place, everything else as JSON where that is possible.
fn to_text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    if let Some(exception) = value.as_object().cloned().and_then(Exception::from_object) {
        return describe(ctx, &CaughtError::Exception(exception));
    }
    if let Some(Ok(text)) = value.as_string().map(rquickjs::String::to_string) {
        return text;
    }
    let json = ctx.json_stringify(value.clone()).ok().flatten().and_then(|text| text.to_string().ok());
    let text = json.or_else(|| value.get::<Coerced<String>>().ok().map(|text| text.0));
    if text.is_none() {
        // What failed must not be taken for an exception of the program.
        ctx.catch();
    }
    text.unwrap_or_else(|| value.type_name().to_owned())
}

/// `TypeError: x is not a function (line 3)`.
pub(super) fn describe<'js>(ctx: &Ctx<'js>, caught: &CaughtError<'js>) -> String {
    match caught {
        CaughtError::Exception(exception) => {
            let name = name(exception).unwrap_or_else(|| "Error".to_owned());
            let message = exception.message().unwrap_or_default();
            let place = exception.stack().and_then(|stack| line(&stack)).map(|line| format!(" (line {line})"));
            format!("{name}: {message}{}", place.unwrap_or_default())
        }
        CaughtError::Value(value) => format!("thrown: {}", to_text(ctx, value)),
        CaughtError::Error(error) => error.to_string(),
    }
}

/// Whether the engine ran out of the memory that it may use.
pub(super) fn is_out_of_memory(caught: &CaughtError<'_>) -> bool {
    matches!(caught, CaughtError::Exception(exception)
        if name(exception).as_deref() == Some("InternalError")
            && exception.message().as_deref() == Some("out of memory"))
}

/// Whether it is what JSON throws at what it cannot hold.
pub(super) fn is_type_error(caught: &CaughtError<'_>) -> bool {
    matches!(caught, CaughtError::Exception(exception) if name(exception).as_deref() == Some("TypeError"))
}

fn name(exception: &Exception<'_>) -> Option<String> {
    exception.as_object().get::<_, Coerced<String>>("name").ok().map(|name| name.0)
}

/// The line of the program that is nearest to the top of a stack trace.
fn line(stack: &str) -> Option<u32> {
    let (_, place) = stack.split_once(MODULE)?;
    let digits: String = place.strip_prefix(':')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
