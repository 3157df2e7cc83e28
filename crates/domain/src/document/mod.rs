//! Workflow documents: read, checked as a whole, and written in one canonical form.
//!
//! A document is data. What it means, and what it may not do, is the workflow language; this module is its
//! gate: a [`Document`] that exists has passed all checks that need nothing but the document. Names of agents
//! and JSON Schemas are checked by who can look them up.
//!
//! # Invariants
//!
//! 1. All problems of a document are reported at once, each with its place.
//! 2. Two documents that mean the same are equal, and have one canonical form, which is a document itself:
//!    `parse(canonical(d)) == d`.
//! 3. The dependencies of a document have no cycle and stay in their body; its expressions parse, and read
//!    only what ends before they are evaluated.

mod action;
mod graph;
mod names;
mod reader;
mod rows;
mod settings;
mod step;
mod structure;
mod triggers;
mod wait;
mod writer;

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::Value;

pub use self::{
    action::{ConditionStep, LoopSource, LoopStep, ParallelShape, ParallelStep, StepAction, Test},
    rows::StepRows,
    settings::{Concurrency, OnLimit, Settings},
    step::{AgentStep, Step},
    triggers::{CatchUp, DstFold, DstGap, EventTrigger, Overlap, Schedule, Triggers, Webhook, WebhookAuth},
    wait::{WaitStep, WaitUntil},
};
use self::{
    names::Names,
    reader::{Field, Sink},
    structure::{Placed, Structure},
    writer::Writer,
};
use crate::{
    limits::{self, DESCRIPTION_CHARS_MAX, EXECUTION_TIMEOUT_MS_MAX, STEPS_DEFAULT, TAGS_MAX},
    problem::{Problem, Problems},
    value::{Name, Tag},
};

/// A workflow, as it is written. It has passed all checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub(crate) name: Name,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) input: Option<Value>,
    pub(crate) output: Option<Value>,
    pub(crate) settings: Settings,
    pub(crate) triggers: Triggers,
    pub(crate) steps: Vec<Step>,
}

impl Serialize for Document {
    /// Writes the canonical form.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.canonical().serialize(serializer)
    }
}

impl Document {
    /// Reads and checks a document.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(source: &Value) -> Result<Self, Problems> {
        limits::DOCUMENT
            .check(source)
            .map_err(|too_large| Problem::new(too_large.code, "", format!("the document: {too_large}")))?;
        let sink = Sink::default();
        let read = Reading::of(source, &sink);
        let document = read.map(|reading| reading.check(&sink));
        match (document, sink.into_problems()) {
            (Some(document), problems) => problems.into_result().map(|()| document),
            (None, problems) => Err(problems),
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Words to find it by, in alphabetical order.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The JSON Schema of an execution's input.
    #[must_use]
    pub const fn input(&self) -> Option<&Value> {
        self.input.as_ref()
    }

    /// The mapping of an execution's output.
    #[must_use]
    pub const fn output(&self) -> Option<&Value> {
        self.output.as_ref()
    }

    /// What holds for an execution as a whole.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What else than people starts it.
    #[must_use]
    pub const fn triggers(&self) -> &Triggers {
        &self.triggers
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many steps an execution of it counts: a container is one, with all that its bodies run.
    #[must_use]
    pub fn steps_total(&self) -> u32 {
        let in_bodies: usize =
            self.steps.iter().flat_map(|step| step.action.bodies()).map(|(_, keys)| keys.len()).sum();
        u32::try_from(self.steps.len().saturating_sub(in_bodies)).unwrap_or(u32::MAX)
    }

    /// What its steps call the agents that they run: names or ids.
    #[must_use]
    pub fn agent_names(&self) -> BTreeSet<String> {
        let agent_of = |step: &Step| match &step.action {
            StepAction::Agent(agent) => Some(agent.agent.clone()),
            _ => None,
        };
        self.steps.iter().filter_map(agent_of).collect()
    }

    /// What of it is understood, but not acted on by this version: the path and a sentence for its author.
    #[must_use]
    pub fn unsupported(&self) -> Vec<(&'static str, &'static str)> {
        let concurrency = "executions with the same key are not held back yet: all of them run";
        self.settings.concurrency.iter().map(|_| ("settings.concurrency", concurrency)).collect()
    }

    /// The form in which it is stored: what is as it is by default is not written, and what has no order is in
    /// alphabetical order.
    #[must_use]
    pub fn canonical(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &self.name);
        writer.put_some("description", self.description.as_ref());
        writer.put_filled("tags", &self.tags);
        writer.put_some("input", self.input.as_ref());
        writer.put_some("output", self.output.as_ref());
        writer.put_filled("settings", &self.settings.write());
        writer.put_filled("triggers", &self.triggers.write());
        writer.put("steps", &self.steps.iter().map(Step::write).collect::<Vec<_>>());
        writer.object()
    }
}

/// A document that was read and is not checked yet.
struct Reading {
    document: Document,
    steps: Vec<Placed>,
    /// Keys of steps that cannot be read otherwise.
    unreadable: BTreeSet<String>,
}

impl Reading {
    /// Reads what can be read; `None` if there are no steps or no name to go on with.
    fn of(source: &Value, sink: &Sink) -> Option<Self> {
        let reader = Field::root(source, sink).object()?;
        let name = reader.require("name").and_then(|field| field.parse::<Name>());
        let description = reader.get("description").and_then(|field| read_description(&field));
        let tags = reader.get("tags").map(|field| read_tags(&field)).unwrap_or_default();
        let input = reader.get("input").filter(|field| field.object().is_some()).map(|field| field.value.clone());
        let output = reader.get("output").map(|field| field.value.clone());
        let settings = reader.get("settings").and_then(|field| field.object()).map(Settings::read).unwrap_or_default();
        let triggers = reader.get("triggers").and_then(|field| field.object()).map(Triggers::read).unwrap_or_default();
        let (steps, unreadable) = reader.require("steps").map(|field| read_steps(&field)).unwrap_or_default();
        reader.close();
        // A name that is missing is a problem already; the rest is checked all the same.
        let name = name.or_else(|| Name::parse("?").ok())?;
        let document = Document { name, description, tags, input, output, settings, triggers, steps: Vec::new() };
        Some(Self { document, steps, unreadable })
    }

    /// Checks how everything hangs together.
    fn check(mut self, sink: &Sink) -> Document {
        let structure = Structure::of(&self.steps, &self.unreadable, sink);
        Names { structure: &structure, unreadable: &self.unreadable, sink }.check(&self.document);
        let waits = self.steps.iter().any(|placed| matches!(placed.step.action, StepAction::Wait(_)));
        if self.document.settings.timeout_ms > EXECUTION_TIMEOUT_MS_MAX && !waits {
            let message =
                format!("without a `wait` step, an execution may take {EXECUTION_TIMEOUT_MS_MAX} ms (30 days)");
            sink.add("out_of_range", "settings.timeout_ms", message);
        }
        self.document.steps = self.steps.into_iter().map(|placed| placed.step).collect();
        self.document
    }
}

fn read_description(field: &Field<'_>) -> Option<String> {
    let text = field.text()?.trim();
    if text.chars().nth(DESCRIPTION_CHARS_MAX).is_some() {
        field.refuse("invalid_value", format!("a description may have {DESCRIPTION_CHARS_MAX} characters"));
    }
    (!text.is_empty()).then(|| text.to_owned())
}

fn read_tags(field: &Field<'_>) -> Vec<Tag> {
    let tags: BTreeSet<Tag> = field.items().iter().filter_map(Field::parse).collect();
    if tags.len() > TAGS_MAX {
        field.refuse("invalid_value", format!("a workflow may have {TAGS_MAX} tags"));
    }
    tags.into_iter().collect()
}

/// Reads the steps, and the keys of those that have a key but cannot be read.
fn read_steps(field: &Field<'_>) -> (Vec<Placed>, BTreeSet<String>) {
    let items = field.items();
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.refuse("invalid_value", "a workflow needs at least one step");
    }
    if items.len() > STEPS_DEFAULT {
        let count = items.len();
        field.refuse("dag_too_large", format!("a workflow may have {STEPS_DEFAULT} steps, this one has {count}"));
        return (Vec::new(), BTreeSet::new());
    }
    let mut steps = Vec::with_capacity(items.len());
    let mut unreadable = BTreeSet::new();
    for (position, item) in items.iter().enumerate() {
        match Step::read(item) {
            Some(step) => steps.push(Placed { position, step }),
            None => unreadable.extend(item.value.get("key").and_then(Value::as_str).map(str::to_owned)),
        }
    }
    (steps, unreadable)
}

#[cfg(test)]
mod tests;
