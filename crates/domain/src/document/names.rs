//! What the expressions of a document may refer to: only what is there when they are evaluated.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Document,
    action::{LoopSource, LoopStep, ParallelShape, ParallelStep, StepAction, Test},
    reader::{Sink, join},
    structure::{Placed, Structure, unknown_step},
    wait::WaitUntil,
};
use crate::expression::{Expression, Mapping, References, Root};

/// What an expression sees.
#[derive(Debug, Clone, Copy, Default)]
struct Sight {
    /// The step that it belongs to, whose upstream it sees; `None` for an expression of the workflow.
    step: Option<usize>,
    /// Whether it sees the steps of the step's own body, and its item and round.
    of_body: bool,
    /// Whether it sees the last steps of the workflow: all but those in bodies.
    at_end: bool,
    /// Whether it may pass secrets on.
    secrets: bool,
    /// A root that is only seen here: `output` or `event`.
    extra: Option<Root>,
}

/// Checks all expressions of a document.
pub(super) struct Names<'a> {
    pub(super) structure: &'a Structure<'a>,
    /// Keys of steps that are there, but cannot be read.
    pub(super) unreadable: &'a BTreeSet<String>,
    pub(super) sink: &'a Sink,
}

impl Names<'_> {
    /// Checks the expressions of the workflow itself, and of its steps.
    pub(super) fn check(&self, document: &Document) {
        if let Some(output) = &document.output {
            self.mapping("output", output, Sight { at_end: true, ..Sight::default() });
        }
        if let Some(concurrency) = &document.settings.concurrency {
            self.mapping("settings.concurrency.key", &concurrency.key, Sight::default());
        }
        if let Some(filter) = document.triggers.event.as_ref().and_then(|event| event.filter.as_ref()) {
            self.cel("triggers.event.filter", filter, Sight { extra: Some(Root::Event), ..Sight::default() });
        }
        for (step, placed) in self.structure.steps.iter().enumerate() {
            self.step(placed, Sight { step: Some(step), ..Sight::default() });
        }
    }

    fn step(&self, placed: &Placed, sight: Sight) {
        let of_body = Sight { of_body: true, ..sight };
        if let Some(guard) = &placed.step.guard {
            self.cel(&placed.path("if"), guard, sight);
        }
        if let Some(outputs) = &placed.step.outputs {
            self.mapping(&placed.path("outputs"), outputs, Sight { extra: Some(Root::Output), ..sight });
        }
        match &placed.step.action {
            StepAction::Agent(agent) => {
                self.mapping(&placed.path("inputs"), &agent.inputs, Sight { secrets: true, ..sight });
            }
            StepAction::Condition(condition) => match &condition.test {
                Test::If(source) => self.cel(&placed.path("config.if"), source, sight),
                Test::Switch(source) => self.cel(&placed.path("config.switch"), source, sight),
            },
            StepAction::Loop(LoopStep { source, break_if, .. }) => {
                match source {
                    LoopSource::Items(items) => self.mapping(&placed.path("config.items"), items, sight),
                    LoopSource::While(source) => self.cel(&placed.path("config.while"), source, of_body),
                }
                if let Some(break_if) = break_if {
                    self.cel(&placed.path("config.break_if"), break_if, of_body);
                }
            }
            StepAction::Parallel(ParallelStep { shape, .. }) => {
                if let ParallelShape::Map { items, .. } = shape {
                    self.mapping(&placed.path("config.items"), items, sight);
                }
            }
            StepAction::Wait(wait) => match &wait.until {
                WaitUntil::Moment(moment) => self.mapping(&placed.path("config.until"), moment, sight),
                WaitUntil::Event { filter: Some(filter), .. } => {
                    let sight = Sight { extra: Some(Root::Event), ..sight };
                    self.cel(&placed.path("config.event.filter"), filter, sight);
                }
                WaitUntil::Duration(_) | WaitUntil::Event { .. } | WaitUntil::Approval(_) => {}
            },
        }
    }

    fn cel(&self, path: &str, source: &str, sight: Sight) {
        match Expression::parse(source) {
            Ok(expression) => self.references(path, expression.references(), sight),
            Err(error) => self.sink.add(error.code, path, error.message),
        }
    }

    /// Checks a mapping leaf by leaf, so that each problem has its place.
    fn mapping(&self, path: &str, source: &Value, sight: Sight) {
        match source {
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| self.mapping(&format!("{path}[{index}]"), item, sight));
            }
            Value::Object(entries) if !entries.contains_key("$secret") => {
                entries.iter().for_each(|(key, value)| self.mapping(&join(path, key), value, sight));
            }
            leaf => match Mapping::parse(leaf) {
                Ok(mapping) => self.references(path, mapping.references(), sight),
                Err(problems) => {
                    for problem in problems {
                        self.sink.add(problem.error.code, format!("{path}{}", problem.pointer), problem.error.message);
                    }
                }
            },
        }
    }

    fn references(&self, path: &str, references: &References, sight: Sight) {
        for root in &references.roots {
            if let Some(message) = self.out_of_place(*root, sight) {
                self.sink.add("expression_out_of_place", path, message);
            }
        }
        for key in &references.steps {
            if let Some((code, message)) = self.out_of_sight(key, sight) {
                self.sink.add(code, path, message);
            }
        }
        if let Some(secret) = references.secrets.first().filter(|_| !sight.secrets) {
            let message =
                format!("the secret `{secret}` can only be passed on in the `inputs` of a step of the type `agent`");
            self.sink.add("secret_not_allowed", path, message);
        }
    }

    /// Why a root cannot be read here.
    fn out_of_place(&self, root: Root, sight: Sight) -> Option<&'static str> {
        let is_around = |accepts: fn(&StepAction) -> bool| {
            let own = sight.step.filter(|_| sight.of_body);
            let around = sight.step.into_iter().flat_map(|step| self.structure.containers(step));
            own.into_iter()
                .chain(around)
                .any(|step| self.structure.steps.get(step).is_some_and(|placed| accepts(&placed.step.action)))
        };
        if root == Root::Event && sight.step.is_none() && sight.extra == Some(Root::Event) {
            return None;
        }
        let refused = match root {
            Root::Item if !is_around(has_item) => {
                "`item` is only there inside of a loop or a parallel step over `items`"
            }
            Root::Index if !is_around(has_index) => {
                "`index` is only there inside of a loop, or of a parallel step over `items`"
            }
            Root::Iteration if !is_around(is_loop) => "`iteration` is only there inside of a loop",
            Root::Output if sight.extra != Some(Root::Output) => "`output` is only there in the `outputs` of a step",
            Root::Event if sight.extra != Some(Root::Event) => "`event` is only there in the filter of an event",
            _ => return None,
        };
        Some(refused)
    }

    /// Why a step cannot be read here.
    fn out_of_sight(&self, key: &str, sight: Sight) -> Option<(&'static str, String)> {
        let Some(step) = self.structure.find(key) else {
            let is_unreadable = self.unreadable.contains(key);
            return (!is_unreadable).then(|| ("unknown_step", unknown_step(key, self.structure)));
        };
        let container = self.structure.containers(step).next();
        let name = |step: usize| self.structure.steps.get(step).map_or("", |placed| placed.step.key.as_str());
        let Some(reader) = sight.step else {
            return match (sight.at_end, container) {
                (true, None) => None,
                (true, Some(container)) => Some(within(key, name(container))),
                (false, _) => {
                    Some(("expression_downstream", format!("no step has run yet, so `{key}` cannot be read")))
                }
            };
        };
        if self.structure.is_before(step, reader) || (sight.of_body && container == Some(reader)) {
            return None;
        }
        Some(match container {
            _ if step == reader => ("expression_downstream", format!("`{key}` cannot read itself")),
            Some(container) if !self.structure.containers(reader).any(|around| around == container) => {
                within(key, name(container))
            }
            _ => {
                let reader = name(reader);
                let message =
                    format!("`{key}` does not end before `{reader}` begins; add it to the `depends_on` of `{reader}`");
                ("expression_downstream", message)
            }
        })
    }
}

fn within(key: &str, container: &str) -> (&'static str, String) {
    let message = format!("`{key}` runs inside of `{container}`; what it gave is in steps.{container}.output");
    ("expression_downstream", message)
}

const fn is_loop(action: &StepAction) -> bool {
    matches!(action, StepAction::Loop(_))
}

const fn is_map(action: &StepAction) -> bool {
    matches!(action, StepAction::Parallel(ParallelStep { shape: ParallelShape::Map { .. }, .. }))
}

const fn has_item(action: &StepAction) -> bool {
    is_map(action) || matches!(action, StepAction::Loop(LoopStep { source: LoopSource::Items(_), .. }))
}

const fn has_index(action: &StepAction) -> bool {
    is_map(action) || is_loop(action)
}
