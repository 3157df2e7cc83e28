//! The few expressions that the workload's documents hold: their text, and what they come to.
//!
//! They are evaluated here without the language that the engine evaluates them in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A value that a document computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Itself.
    Constant(Value),
    /// `input.<key>`.
    Input(&'static str),
    /// `steps.<key>.output`.
    Output(String),
    /// `item`.
    Item,
    /// `index`.
    Index,
    /// `iteration`.
    Iteration,
    /// A whole number more.
    Plus(Box<Self>, i64),
}

/// Something that is true or false.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It is more.
    Above(Expr, i64),
    /// It is not more.
    AtMost(Expr, i64),
    /// What is left of a division.
    Remainder {
        /// What is divided.
        of: Expr,
        /// By what.
        by: i64,
        /// What must be left.
        is: i64,
    },
    /// `steps.<key>.status` is that.
    Status(String, &'static str),
    /// The first round, or the step of the round before gave less.
    Poll(String, i64),
}

/// What an expression sees.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) outer: Option<&'a Scope<'a>>,
    pub(crate) input: Option<&'a Value>,
    pub(crate) item: Option<Value>,
    pub(crate) index: Option<u64>,
    pub(crate) iteration: Option<u64>,
    /// Output and status of the steps of this body that have ended.
    pub(crate) steps: BTreeMap<String, (Value, &'static str)>,
}

impl Scope<'_> {
    fn find<T>(&self, what: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(found) = what(here) {
                return Some(found);
            }
            scope = here.outer;
        }
        None
    }

    fn step(&self, key: &str) -> Option<(Value, &'static str)> {
        self.find(|scope| scope.steps.get(key).cloned())
    }
}

impl Expr {
    /// A constant number.
    pub(crate) fn number(number: i64) -> Self {
        Self::Constant(json!(number))
    }

    /// Its text in an expression.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Constant(value) => value.to_string(),
            Self::Input(key) => format!("input.{key}"),
            Self::Output(key) => format!("steps.{key}.output"),
            Self::Item => "item".to_owned(),
            Self::Index => "index".to_owned(),
            Self::Iteration => "iteration".to_owned(),
            Self::Plus(of, more) => format!("{} + {more}", of.text()),
        }
    }

    /// It, in a mapping.
    pub(crate) fn mapping(&self) -> Value {
        match self {
            Self::Constant(value) => value.clone(),
            _ => json!(format!("${{{{ {} }}}}", self.text())),
        }
    }

    /// What it comes to; null where there is nothing.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Value {
        let found = match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Input(key) => scope.find(|scope| scope.input?.get(key).cloned()),
            Self::Output(key) => scope.step(key).map(|(output, _)| output),
            Self::Item => scope.find(|scope| scope.item.clone()),
            Self::Index => scope.find(|scope| scope.index).map(Value::from),
            Self::Iteration => scope.find(|scope| scope.iteration).map(Value::from),
            Self::Plus(of, more) => of.evaluate(scope).as_i64().map(|number| json!(number + more)),
        };
        found.unwrap_or_default()
    }

    fn as_number(&self, scope: &Scope<'_>) -> i64 {
        self.evaluate(scope).as_i64().unwrap_or_default()
    }
}

impl Test {
    /// Its text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Above(of, bound) => format!("{} > {bound}", of.text()),
            Self::AtMost(of, bound) => format!("{} <= {bound}", of.text()),
            Self::Remainder { of, by, is } => format!("({}) % {by} == {is}", of.text()),
            Self::Status(key, status) => format!("steps.{key}.status == '{status}'"),
            Self::Poll(key, bound) => format!("iteration == 1 || steps.{key}.output < {bound}"),
        }
    }

    /// Whether it is true.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::Above(of, bound) => of.as_number(scope) > *bound,
            Self::AtMost(of, bound) => of.as_number(scope) <= *bound,
            Self::Remainder { of, by, is } => of.as_number(scope) % by == *is,
            Self::Status(key, status) => scope.step(key).is_some_and(|(_, found)| found == *status),
            Self::Poll(key, bound) => {
                Expr::Iteration.as_number(scope) == 1
                    || scope.step(key).is_some_and(|(output, _)| output.as_i64().unwrap_or_default() < *bound)
            }
        }
    }
}
