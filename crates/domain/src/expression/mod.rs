//! Expressions (CEL) and mappings (JSON with `${{ cel }}` in its strings).
//!
//! Both are parsed once, when a workflow is published, and evaluated against a [`Scope`]: what a
//! step may see of its run. Evaluation is bounded in what it reads, computes and returns.

mod cel;
mod mapping;
mod secret_reference;

use std::borrow::Cow;

use serde_json::Value;

pub use self::{
    cel::{Expression, ExpressionError, References},
    mapping::{Mapping, MappingProblem},
    secret_reference::{looks_like_secret, secret_reference, secret_references},
};

/// A name that an expression may start from, besides `steps` and `secrets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// The execution's input.
    Input,
    /// The current item of the innermost loop or map over a list.
    Item,
    /// The current position in the innermost loop or map, from 0.
    Index,
    /// The current round of the innermost loop, from 1.
    Iteration,
    /// What started the execution: `trigger.type`, `trigger.data`.
    Trigger,
    /// `execution.id`, `execution.started_at`, `execution.attempt`.
    Execution,
    /// The deployment's variables.
    Env,
    /// The agent's answer; only in a step's `outputs`.
    Output,
    /// The event under test; only in the filter of a wait or trigger.
    Event,
}

impl Root {
    /// All roots.
    pub const ALL: [Self; 9] = [
        Self::Input,
        Self::Item,
        Self::Index,
        Self::Iteration,
        Self::Trigger,
        Self::Execution,
        Self::Env,
        Self::Output,
        Self::Event,
    ];

    /// The name in an expression.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Item => "item",
            Self::Index => "index",
            Self::Iteration => "iteration",
            Self::Trigger => "trigger",
            Self::Execution => "execution",
            Self::Env => "env",
            Self::Output => "output",
            Self::Event => "event",
        }
    }
}

/// What an expression sees of a step: `steps.<key>.output`, `.status`, `.error`.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// The output; `None` until the step has completed.
    pub output: Option<&'a Value>,
    /// The status, as stored: `completed`, `failed`, `skipped`.
    pub status: &'static str,
    /// The error as JSON; `None` unless the step failed.
    pub error: Option<&'a Value>,
}

/// What an expression may see.
pub trait Scope {
    /// The value of a root; `None` where it does not exist (an `item` outside of a loop).
    fn root(&self, root: Root) -> Option<Cow<'_, Value>>;

    /// A step that has ended and lies upstream; `None` for any other.
    fn step(&self, key: &str) -> Option<StepView<'_>>;
}
