//! One CEL expression: parsed once, checked for what it refers to, evaluated within a budget.
//!
//! The library evaluates without any bound. So the parsed tree is rewritten before it is kept (see
//! `compile`): what it reads of the scope is resolved on the JSON itself, and whatever can be large pays
//! for its size as it is computed.
//!
//! Besides CEL's standard functions there are `join`, `split`, `lower`, `upper`, `trim`, `replace`,
//! `toJson` and `fromJson`, each of them to be called as `f(x, …)` or `x.f(…)`.
//!
//! # Invariants
//!
//! 1. An expression names only roots and functions that exist, and no secret.
//! 2. Its cost is bounded by a budget, its value by a size: past either it fails, without having
//!    computed the rest.
//! 3. A panic in the library is a failure of the expression, and of nothing else.

mod compile;
mod convert;
mod data;
mod failure;
mod functions;
mod meter;
mod rewrite;

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
    thread,
};

use ::cel::{Context, Env, Value as CelValue};
use serde_json::Value;

pub(super) use self::meter::Meter;
use self::{
    compile::Program,
    data::{Data, Found},
};
use super::{Root, Scope};
use crate::{
    limits::{EXPRESSION_BYTES_MAX, EXPRESSION_OUTPUT_BYTES_MAX},
    value::json_text,
};

/// The standard library, shared by all evaluations.
static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The depth from which on a tree is evaluated on a stack of its own.
const OWN_STACK_DEPTH: usize = 12;
/// What a level of the tree may take of the stack: twice what was measured.
const STACK_BYTES_PER_LEVEL: usize = 112 * 1024;
/// What everything else may take of it.
const STACK_BYTES: usize = 512 * 1024;

/// What an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    /// The roots that it reads, besides `steps`.
    pub roots: BTreeSet<Root>,
    /// The keys of the steps that it reads.
    pub steps: BTreeSet<String>,
    /// The secrets that a mapping passes on; an expression has none.
    pub secrets: BTreeSet<String>,
}

impl References {
    /// Adds what another refers to.
    pub(super) fn extend(&mut self, other: &Self) {
        self.roots.extend(&other.roots);
        self.steps.extend(other.steps.iter().cloned());
        self.secrets.extend(other.secrets.iter().cloned());
    }
}

/// Why an expression is refused, or has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// `expression_invalid`, `expression_failed`, `expression_too_costly` or `secret_not_allowed`.
    pub code: &'static str,
    /// What is wrong and what to do about it, for a person.
    pub message: String,
}

impl ExpressionError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: "expression_invalid", message: message.into() }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { code: "expression_failed", message: message.into() }
    }

    pub(super) fn too_costly(message: impl Into<String>) -> Self {
        Self { code: "expression_too_costly", message: message.into() }
    }

    pub(super) fn secret(message: impl Into<String>) -> Self {
        Self { code: "secret_not_allowed", message: message.into() }
    }
}

/// A parsed expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    program: Arc<Program>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// Parses an expression: CEL, without the `${{ }}` of a mapping.
    ///
    /// # Errors
    ///
    /// `expression_invalid` if it is too long, is not CEL, or names something that does not exist;
    /// `secret_not_allowed` if it reads a secret.
    pub fn parse(source: impl Into<String>) -> Result<Self, ExpressionError> {
        let source = source.into();
        if source.len() > EXPRESSION_BYTES_MAX {
            let actual = source.len();
            return Err(ExpressionError::invalid(format!(
                "an expression may have {EXPRESSION_BYTES_MAX} bytes, this one has {actual}"
            )));
        }
        let program = without_panic(|| compile::compile(&source))
            .unwrap_or_else(|| Err(ExpressionError::invalid("this is not a CEL expression")))?;
        Ok(Self { source, program: Arc::new(program) })
    }

    /// The text that it was parsed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it refers to.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.program.references
    }

    /// Computes its value.
    ///
    /// # Errors
    ///
    /// `expression_failed` if it has none here; `expression_too_costly` if computing it takes more than
    /// the budget, or the value is too large.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        self.evaluate_within(scope, &Arc::new(Meter::default()))
    }

    /// Computes its value, which must be true or false.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and `expression_failed` if the value is neither.
    pub fn evaluate_bool(&self, scope: &dyn Scope) -> Result<bool, ExpressionError> {
        match self.evaluate(scope)? {
            Value::Bool(value) => Ok(value),
            other => Err(ExpressionError::failed(format!(
                "`{}` gives {}, but only true or false can decide; compare it with something",
                self.source,
                json_text::kind_of(&other)
            ))),
        }
    }

    /// Computes its value out of a budget that it shares with other expressions.
    pub(super) fn evaluate_within(&self, scope: &dyn Scope, meter: &Arc<Meter>) -> Result<Value, ExpressionError> {
        let result = without_panic(|| self.run(scope, meter))
            .unwrap_or_else(|| Err(ExpressionError::failed(format!("`{}` cannot be computed", self.source))));
        if meter.is_exhausted() {
            return Err(ExpressionError::too_costly(format!(
                "`{}` takes too long to compute, or reads too much: narrow what it reads, or move the work to an agent",
                self.source
            )));
        }
        result
    }

    fn run(&self, scope: &dyn Scope, meter: &Arc<Meter>) -> Result<Value, ExpressionError> {
        let data = Data::of(&self.program, scope);
        match self.program.whole_path() {
            Some(path) => Self::copied(&data.find(path)?, meter),
            None if self.program.depth <= OWN_STACK_DEPTH => self.compute(&data, meter),
            None => on_own_stack(self.program.depth, || self.compute(&data, meter))
                .unwrap_or_else(|| Err(ExpressionError::failed(format!("`{}` cannot be computed", self.source)))),
        }
    }

    fn compute(&self, data: &Data<'_>, meter: &Arc<Meter>) -> Result<Value, ExpressionError> {
        let mut context = Context::with_env(Arc::clone(&LIBRARY));
        functions::declare(&mut context, &self.program, meter);
        for (name, path) in self.program.paths() {
            // What is missing stays unbound: it is an error only if the expression gets to read it.
            if let Ok(found) = data.find(path) {
                meter.charge(found.weight()).map_err(|_| self.too_large())?;
                context.add_variable_as_val(name, found.into_cel());
            }
        }
        let value = CelValue::resolve_val(&self.program.tree, &context)
            .map_err(|error| failure::explain(&error, &self.program, data))?;
        convert::to_json(&*value, EXPRESSION_OUTPUT_BYTES_MAX)
    }

    /// The value of an expression that only reads: nothing to compute.
    fn copied(found: &Found<'_>, meter: &Meter) -> Result<Value, ExpressionError> {
        let json = found.json();
        let weight = convert::json_weight(&json);
        if weight.bytes > EXPRESSION_OUTPUT_BYTES_MAX as u64 {
            return Err(convert::too_large(EXPRESSION_OUTPUT_BYTES_MAX));
        }
        // Out of budget: the caller sees that in the meter, and says so.
        meter.charge(weight.units()).map_err(|_| ExpressionError::too_costly("out of budget"))?;
        Ok(json.into_owned())
    }

    fn too_large(&self) -> ExpressionError {
        ExpressionError::too_costly(format!("`{}` reads more than an expression may", self.source))
    }
}

/// Runs the library; `None` if it panicked.
///
/// The library has places that panic on trees which its own parser should never make. One user's
/// expression must not end the process of all. Nothing is shared with the closure that a panic could
/// leave half-changed: the meter is a counter, the rest is read.
fn without_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Runs the library on a stack that is large enough for a tree of this depth; `None` if it panicked.
///
/// The library's evaluator takes some 55 KiB of stack a level (optimised: it is one function, inlined into
/// itself), so that forty levels overflow the stack of a runtime's worker, which ends the process. Few
/// expressions are that deep; those pay for a thread of their own, whose stack is only mapped as it is used.
fn on_own_stack<T: Send>(depth: usize, work: impl FnOnce() -> T + Send) -> Option<T> {
    let bytes = STACK_BYTES + depth * STACK_BYTES_PER_LEVEL;
    thread::scope(|scope| thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work).ok()?.join().ok())
}

#[cfg(test)]
mod tests;
