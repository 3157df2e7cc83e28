//! The rewriting of a parsed tree. It does three things:
//!
//! 1. What is read of the scope (`input.user.name`, `has(steps.fetch.output)`) becomes one variable `@0`,
//!    `@1`, …, which the JSON is searched for before evaluation.
//! 2. Where a value may be large, the call `@charge(value)` pays for it: operands of calls, elements of
//!    literals. A loop's range becomes `@loop(range, nodes)`, which pays for all rounds before the first and gives
//!    the keys of a map in their order; so does what is added, because the keys of a map can be added to a list.
//! 3. `matches` becomes a function of ours, whose patterns are compiled here if they are literals.
//!
//! None of these names can be written in an expression: `@` is not a character of CEL.

use std::collections::{BTreeMap, BTreeSet};

use ::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use regex::Regex;

use super::{
    ExpressionError, References,
    compile::count,
    data::{Key, Path, Start},
    functions,
};
use crate::{expression::Root, value::nearest};

/// Pays for a value and returns it.
pub(super) const CHARGE: &str = "@charge";
/// Pays for a loop over a range and returns the range.
pub(super) const LOOP: &str = "@loop";
/// `matches` with compiled patterns.
pub(super) const MATCHES: &str = "@matches";

/// CEL's functions.
const STANDARD_FUNCTIONS: [&str; 35] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "dyn",
    "type",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "value",
    "hasValue",
    "or",
    "orValue",
    "of",
    "none",
    "ofNonZeroValue",
    "all",
    "exists",
    "map",
];
/// CEL's names of types.
const TYPES: [&str; 11] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "timestamp", "type", "uint"];

/// Rewrites a tree, and collects what it refers to.
#[derive(Default)]
pub(super) struct Rewriter {
    has_hyphen: bool,
    /// The variables of the loops around, innermost last.
    locals: Vec<String>,
    pub(super) references: References,
    pub(super) starts: Vec<Start>,
    pub(super) paths: Vec<(String, Path)>,
    pub(super) functions: BTreeSet<&'static str>,
    pub(super) patterns: BTreeMap<String, Regex>,
}

type Rewritten = Result<(), ExpressionError>;

impl Rewriter {
    pub(super) fn new(source: &str) -> Self {
        Self { has_hyphen: source.contains('-'), ..Self::default() }
    }

    pub(super) fn rewrite(&mut self, node: &mut IdedExpr) -> Rewritten {
        if let Some(variable) = self.read(&node.expr)? {
            node.expr = Expr::Ident(variable);
            return Ok(());
        }
        match &mut node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.check_name(name),
            Expr::Select(select) => self.rewrite(&mut select.operand),
            Expr::Call(call) => self.rewrite_call(call),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| self.rewrite_charged(element)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.rewrite_charged(&mut entry.key)?;
                    self.rewrite_charged(&mut entry.value)
                }
                EntryExpr::StructField(_) => Err(ExpressionError::invalid("a map is written {'key': value}")),
            }),
            Expr::Comprehension(inner) => self.rewrite_loop(inner),
            Expr::Struct(strukt) => {
                let name = &strukt.type_name;
                Err(ExpressionError::invalid(format!("there is no type `{name}`; a map is written {{'key': value}}")))
            }
            Expr::Unspecified => Err(ExpressionError::invalid("this is not a CEL expression")),
        }
    }

    fn rewrite_charged(&mut self, node: &mut IdedExpr) -> Rewritten {
        self.rewrite(node)?;
        self.charge(node);
        Ok(())
    }

    /// Puts `@charge()` around what may be large.
    fn charge(&mut self, node: &mut IdedExpr) {
        let may_be_large = match &node.expr {
            Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => false,
            // The accumulator of a loop: the library recognises its loops by their form.
            Expr::Ident(name) => !name.starts_with("@result"),
            Expr::Call(call) => !gives_scalar(&call.func_name) && call.func_name != CHARGE,
            _ => true,
        };
        if may_be_large {
            wrap(node, CHARGE, None);
            self.functions.insert(CHARGE);
        }
    }

    fn rewrite_loop(&mut self, inner: &mut ComprehensionExpr) -> Rewritten {
        self.rewrite(&mut inner.iter_range)?;
        self.rewrite(&mut inner.accu_init)?;
        let around = self.locals.len();
        self.locals.push(inner.iter_var.clone());
        self.locals.extend(inner.iter_var2.clone());
        self.locals.push(inner.accu_var.clone());
        self.rewrite(&mut inner.loop_cond)?;
        self.rewrite(&mut inner.loop_step)?;
        self.rewrite(&mut inner.result)?;
        self.locals.truncate(around);
        let nodes = count(&inner.loop_cond) + count(&inner.loop_step);
        wrap(&mut inner.iter_range, LOOP, Some(LiteralValue::Int(nodes.into())));
        self.functions.insert(LOOP);
        Ok(())
    }

    fn rewrite_call(&mut self, call: &mut CallExpr) -> Rewritten {
        if call.func_name == "matches" {
            self.prepare_matches(call)?;
        }
        let is_own = self.check_function(call)?;
        let is_free = is_own || reads_little(call);
        // `optional` in `optional.of(x)` is no value.
        let has_value = |target: &IdedExpr| !matches!(&target.expr, Expr::Ident(name) if name == "optional");
        let target = call.target.as_deref_mut().filter(|target| has_value(target));
        let adds = call.func_name == operators::ADD;
        for (place, operand) in target.into_iter().chain(&mut call.args).enumerate() {
            self.rewrite(operand)?;
            if adds && place == 1 {
                self.charge_added(operand);
            } else if !is_free {
                self.charge(operand);
            }
        }
        Ok(())
    }

    /// The same for what is added: the library adds the keys of a map to a list, in no order, as a loop would.
    fn charge_added(&mut self, node: &mut IdedExpr) {
        match &node.expr {
            Expr::Literal(_) | Expr::List(_) => {}
            Expr::Call(call) if gives_scalar(&call.func_name) => {}
            _ => {
                wrap(node, LOOP, Some(LiteralValue::Int(0.into())));
                self.functions.insert(LOOP);
            }
        }
    }

    /// Replaces `matches` by the function of ours; a pattern that is a literal is compiled now.
    fn prepare_matches(&mut self, call: &mut CallExpr) -> Rewritten {
        MATCHES.clone_into(&mut call.func_name);
        if let Some(Expr::Literal(LiteralValue::String(source))) = call.args.last().map(|pattern| &pattern.expr) {
            let source = source.inner();
            let pattern = functions::pattern(source).map_err(|error| {
                let detail = error.to_string();
                let detail = detail.lines().last().unwrap_or_default();
                ExpressionError::invalid(format!("`{source}` is not a regular expression: {detail}"))
            })?;
            self.patterns.insert(source.to_owned(), pattern);
        }
        Ok(())
    }

    /// Refuses a function that does not exist; returns whether it is one of ours, which pays for itself.
    fn check_function(&mut self, call: &CallExpr) -> Result<bool, ExpressionError> {
        let name = call.func_name.as_str();
        if let Some(own) = functions::names().find(|own| *own == name) {
            self.functions.insert(own);
            return Ok(true);
        }
        let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_operator {
            return Ok(false);
        }
        if matches!(name, "has" | "all" | "exists" | "exists_one" | "existsOne" | "map" | "filter") {
            return Err(ExpressionError::invalid(match name {
                "has" => "`has` is written has(input.name)".to_owned(),
                _ => format!("`{name}` is written list.{name}(x, …)"),
            }));
        }
        if STANDARD_FUNCTIONS.contains(&name) {
            return Ok(false);
        }
        let known = STANDARD_FUNCTIONS.into_iter().chain(functions::names());
        let hint = nearest(name, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        Err(ExpressionError::invalid(format!("there is no function `{name}`{hint}")))
    }

    fn check_name(&self, name: &str) -> Rewritten {
        if self.locals.iter().any(|local| local == name) || TYPES.contains(&name) {
            return Ok(());
        }
        if name == "secrets" {
            return Err(secret());
        }
        if name == "steps" {
            return Err(ExpressionError::invalid(
                "`steps` is followed by the key of a step and `output`, `status` or `error`: steps.fetch.output",
            ));
        }
        let roots = || Root::ALL.into_iter().map(Root::as_str).chain(["steps"]);
        let hint = match nearest(name, roots()) {
            _ if self.has_hyphen && self.starts.iter().any(|start| matches!(start, Start::Step(_))) => {
                "; a key with a hyphen is written steps[\"my-step\"].output".to_owned()
            }
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; expressions start from {}", roots().collect::<Vec<_>>().join(", ")),
        };
        Err(ExpressionError::invalid(format!("there is no `{name}`{hint}")))
    }

    /// The variable for what a node reads of the scope, if it reads without computing.
    fn read(&mut self, node: &Expr) -> Result<Option<String>, ExpressionError> {
        let mut keys = Vec::new();
        let is_test = matches!(node, Expr::Select(SelectExpr { test: true, .. }));
        let Some(base) = chain(node, &mut keys) else { return Ok(None) };
        if self.locals.iter().any(|local| local == base) {
            return Ok(None);
        }
        keys.reverse();
        let start = match base {
            "secrets" => return Err(secret()),
            "steps" => match self.step(&mut keys)? {
                Some(start) => start,
                None => return Ok(None),
            },
            _ => match Root::ALL.into_iter().find(|root| root.as_str() == base) {
                Some(root) => {
                    self.references.roots.insert(root);
                    Start::Root(root)
                }
                None => return Ok(None),
            },
        };
        let start = position_of(&mut self.starts, start);
        let path = Path { start, keys, is_test };
        let known = self.paths.iter().find(|(_, other)| *other == path).map(|(name, _)| name.clone());
        Ok(Some(known.unwrap_or_else(|| {
            let name = format!("@{}", self.paths.len());
            self.paths.push((name.clone(), path));
            name
        })))
    }

    /// Takes the key of the step off the keys after `steps`.
    fn step(&mut self, keys: &mut Vec<Key>) -> Result<Option<Start>, ExpressionError> {
        let Some(Key::Name(step)) = keys.first().cloned() else { return Ok(None) };
        keys.remove(0);
        self.references.steps.insert(step.clone());
        match keys.first() {
            None => Ok(Some(Start::Step(step))),
            Some(Key::Name(field)) if matches!(field.as_str(), "output" | "status" | "error") => {
                Ok(Some(Start::Step(step)))
            }
            Some(field) => Err(ExpressionError::invalid(format!(
                "a step has `output`, `status` and `error`, not `{field}`; what it computed is in steps.{step}.output"
            ))),
        }
    }
}

fn secret() -> ExpressionError {
    ExpressionError::secret(
        "a secret cannot be read: it is passed on as the whole of an agent's input, \"${{ secrets.NAME }}\"",
    )
}

fn position_of(starts: &mut Vec<Start>, start: Start) -> usize {
    starts.iter().position(|known| *known == start).unwrap_or_else(|| {
        starts.push(start);
        starts.len() - 1
    })
}

/// The name that a chain of `.key` and `["key"]` starts from; the keys are collected from its end.
fn chain<'e>(node: &'e Expr, keys: &mut Vec<Key>) -> Option<&'e str> {
    let mut node = node;
    loop {
        let is_last = keys.is_empty();
        match node {
            Expr::Ident(name) => return Some(name),
            Expr::Select(select) if is_last || !select.test => {
                keys.push(Key::Name(select.field.clone()));
                node = &select.operand.expr;
            }
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [container, key] = call.args.as_slice() else { return None };
                keys.push(match &key.expr {
                    Expr::Literal(LiteralValue::String(name)) => Key::Name(name.inner().to_owned()),
                    Expr::Literal(LiteralValue::Int(index)) => Key::Index(usize::try_from(*index.inner()).ok()?),
                    _ => return None,
                });
                node = &container.expr;
            }
            _ => return None,
        }
    }
}

/// Puts a call around a node.
fn wrap(node: &mut IdedExpr, function: &str, argument: Option<LiteralValue>) {
    let inner = std::mem::take(node);
    node.id = inner.id;
    let argument = argument.map(|literal| IdedExpr { id: inner.id, expr: Expr::Literal(literal) });
    let args = std::iter::once(inner).chain(argument).collect();
    node.expr = Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args });
}

/// Whether an operator looks at its operands only as far as a scalar goes, or hands them on as they are.
fn reads_little(call: &CallExpr) -> bool {
    let is_literal = |operand: &IdedExpr| matches!(operand.expr, Expr::Literal(_));
    match call.func_name.as_str() {
        operators::CONDITIONAL
        | operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE
        | operators::INDEX
        | operators::OPT_INDEX
        | operators::OPT_SELECT => true,
        operators::EQUALS | operators::NOT_EQUALS => call.args.iter().any(is_literal),
        _ => false,
    }
}

/// Whether a call gives a bool or a number, whatever it is given.
fn gives_scalar(function: &str) -> bool {
    matches!(
        function,
        operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::IN
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE
            | "size"
            | "int"
            | "uint"
            | "double"
            | "bool"
    )
}
