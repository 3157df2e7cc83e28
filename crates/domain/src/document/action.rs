//! What steps do; agents and waits have their own files.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    reader::{Field, Reader},
    step::{AgentStep, read_branches},
    wait::WaitStep,
    writer::Writer,
};
use crate::{
    limits::{LOOP_ROUNDS_MAX, MAP_ITEMS_MAX},
    plan::{ItemErrors, WaitFor},
    value::StepKey,
    workflow_step::StepType,
};

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAction {
    /// Runs an agent.
    Agent(AgentStep),
    /// Chooses a branch.
    Condition(ConditionStep),
    /// Repeats steps.
    Loop(LoopStep),
    /// Runs steps side by side.
    Parallel(ParallelStep),
    /// Waits.
    Wait(WaitStep),
}

/// Chooses a branch.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionStep {
    /// What it looks at.
    pub test: Test,
    /// The steps that run only if their branch is taken: `then` and `else`, or the cases and `default`.
    pub branches: BTreeMap<String, Vec<StepKey>>,
}

/// What a condition looks at (CEL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// A bool, for `then` and `else`.
    If(String),
    /// A value, for the case of its name.
    Switch(String),
}

/// Repeats steps.
#[derive(Debug, Clone, PartialEq)]
pub struct LoopStep {
    /// What drives it.
    pub source: LoopSource,
    /// The most rounds.
    pub max_iterations: u32,
    /// What is repeated.
    pub body: Vec<StepKey>,
    /// Ends the loop after a round (CEL).
    pub break_if: Option<String>,
}

/// What drives a loop.
#[derive(Debug, Clone, PartialEq)]
pub enum LoopSource {
    /// A list (mapping): one round an item.
    Items(Value),
    /// A bool (CEL), asked before each round.
    While(String),
}

/// Runs steps side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct ParallelStep {
    /// Which.
    pub shape: ParallelShape,
    /// What a failed branch does.
    pub on_item_error: ItemErrors,
    /// How many branches must complete.
    pub wait_for: WaitFor,
}

/// What runs side by side.
#[derive(Debug, Clone, PartialEq)]
pub enum ParallelShape {
    /// Named branches.
    Branches(BTreeMap<String, Vec<StepKey>>),
    /// The same steps for each item of a list.
    Map {
        /// The list (mapping).
        items: Value,
        /// The steps.
        body: Vec<StepKey>,
        /// How many items at once; `None` for as many as the settings allow.
        max_concurrency: Option<u32>,
    },
}

const THEN_ELSE: [&str; 2] = ["then", "else"];
pub(super) const DEFAULT: &str = "default";
const ITEM_ERRORS: [(&str, ItemErrors); 3] =
    [("fail", ItemErrors::Fail), ("null", ItemErrors::Null), ("drop", ItemErrors::Drop)];

impl StepAction {
    /// The type of step.
    #[must_use]
    pub const fn step_type(&self) -> StepType {
        match self {
            Self::Agent(_) => StepType::Agent,
            Self::Condition(_) => StepType::Condition,
            Self::Loop(_) => StepType::Loop,
            Self::Parallel(_) => StepType::Parallel,
            Self::Wait(_) => StepType::Wait,
        }
    }

    /// The bodies of a container, with the place of each in the step.
    #[must_use]
    pub fn bodies(&self) -> Vec<(String, &[StepKey])> {
        match self {
            Self::Loop(LoopStep { body, .. })
            | Self::Parallel(ParallelStep { shape: ParallelShape::Map { body, .. }, .. }) => {
                vec![("config.body".to_owned(), body)]
            }
            Self::Parallel(ParallelStep { shape: ParallelShape::Branches(branches), .. }) => {
                branches.iter().map(|(name, keys)| (format!("config.branches.{name}"), keys.as_slice())).collect()
            }
            Self::Agent(_) | Self::Condition(_) | Self::Wait(_) => Vec::new(),
        }
    }

    pub(super) fn read(step_type: StepType, reader: &Reader<'_>) -> Self {
        let config = reader.get("config");
        let inner = config.as_ref().and_then(Field::object);
        let Some(config) = inner else {
            if step_type != StepType::Agent && config.is_none() {
                reader.require("config");
            }
            return match step_type {
                StepType::Agent => Self::Agent(AgentStep::read(reader, None)),
                // A problem is noted: what stands here is not looked at any more.
                _ => Self::placeholder(),
            };
        };
        let action = match step_type {
            StepType::Agent => Some(Self::Agent(AgentStep::read(reader, Some(&config)))),
            StepType::Condition => ConditionStep::read(&config).map(Self::Condition),
            StepType::Loop => LoopStep::read(&config).map(Self::Loop),
            StepType::Parallel => ParallelStep::read(&config).map(Self::Parallel),
            StepType::Wait => WaitStep::read(&config).map(Self::Wait),
        };
        config.close();
        action.unwrap_or_else(Self::placeholder)
    }

    /// What stands for an action that cannot be read, while the rest of the document is looked at.
    const fn placeholder() -> Self {
        Self::Wait(WaitStep::NOTHING)
    }

    /// The `config` of the step.
    #[must_use]
    pub fn config(&self) -> Value {
        let mut writer = Writer::default();
        match self {
            Self::Agent(agent) => agent.write_config(&mut writer),
            Self::Condition(condition) => condition.write(&mut writer),
            Self::Loop(repeat) => repeat.write(&mut writer),
            Self::Parallel(parallel) => parallel.write(&mut writer),
            Self::Wait(wait) => wait.write(&mut writer),
        }
        writer.object()
    }
}

impl ConditionStep {
    fn read(config: &Reader<'_>) -> Option<Self> {
        let Some((kind, field)) = config.one_of(&["if", "switch"]) else {
            config.accept(&["then", "else", "cases", DEFAULT]);
            return None;
        };
        let source = field.cel();
        let mut branches = BTreeMap::new();
        if kind == "if" {
            for name in THEN_ELSE {
                let keys = config.get(name).map(|field| field.step_keys()).unwrap_or_default();
                branches.insert(name.to_owned(), keys);
            }
            return Some(Self { test: Test::If(source?), branches });
        }
        if let Some(cases) = config.require("cases") {
            branches = read_branches(&cases);
            if branches.contains_key(DEFAULT) {
                cases.refuse("invalid_value", "no case may be called `default`: that is `config.default`");
            }
        }
        let default = config.get(DEFAULT).map(|field| field.step_keys()).unwrap_or_default();
        branches.insert(DEFAULT.to_owned(), default);
        Some(Self { test: Test::Switch(source?), branches })
    }

    fn write(&self, writer: &mut Writer) {
        match &self.test {
            Test::If(source) => {
                writer.put("if", source);
                for (name, keys) in &self.branches {
                    writer.put_filled(name, keys);
                }
            }
            Test::Switch(source) => {
                writer.put("switch", source);
                let cases: BTreeMap<_, _> = self.branches.iter().filter(|(name, _)| *name != DEFAULT).collect();
                writer.put("cases", &cases);
                writer.put_filled(DEFAULT, self.branches.get(DEFAULT).map_or(&[][..], Vec::as_slice));
            }
        }
    }

    /// The place of a branch in the step.
    pub(super) fn place_of(&self, branch: &str) -> String {
        match &self.test {
            Test::Switch(_) if branch != DEFAULT => format!("config.cases.{branch}"),
            _ => format!("config.{branch}"),
        }
    }
}

fn read_body(config: &Reader<'_>) -> Option<Vec<StepKey>> {
    let field = config.require("body")?;
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.refuse("empty_body", "a body needs at least one step");
    }
    Some(field.step_keys())
}

impl LoopStep {
    fn read(config: &Reader<'_>) -> Option<Self> {
        let source = config.one_of(&["items", "while"]).and_then(|(kind, field)| match kind {
            "items" => Some(LoopSource::Items(field.value.clone())),
            _ => field.cel().map(LoopSource::While),
        });
        let max_iterations = if let Some(field) = config.get("max_iterations") {
            field.number(1..=LOOP_ROUNDS_MAX)
        } else {
            let message = "`max_iterations` is missing: a loop needs a bound";
            config.sink.add("loop_without_bound", config.path.clone(), message);
            None
        };
        let body = read_body(config).unwrap_or_default();
        let break_if = config.get("break_if").and_then(|field| field.cel());
        // Without a bound it is refused; its body is looked at all the same.
        Some(Self { source: source?, max_iterations: max_iterations.unwrap_or(1), body, break_if })
    }

    fn write(&self, writer: &mut Writer) {
        match &self.source {
            LoopSource::Items(items) => writer.put("items", items),
            LoopSource::While(source) => writer.put("while", source),
        }
        writer.put("max_iterations", &self.max_iterations);
        writer.put("body", &self.body);
        writer.put_some("break_if", self.break_if.as_ref());
    }
}

impl ParallelStep {
    fn read(config: &Reader<'_>) -> Option<Self> {
        let shape = config.one_of(&["branches", "items"]).map(|(kind, field)| match kind {
            "branches" => ParallelShape::Branches(Self::read_fixed(config, &field)),
            _ => ParallelShape::Map {
                items: field.value.clone(),
                body: read_body(config).unwrap_or_default(),
                max_concurrency: config.get("max_concurrency").and_then(|field| field.number(1..=MAP_ITEMS_MAX)),
            },
        });
        if shape.is_none() {
            config.accept(&["body", "max_concurrency"]);
        }
        let on_item_error = config.get("on_item_error").and_then(|field| field.word(&ITEM_ERRORS)).unwrap_or_default();
        let wait_for = config.get("wait_for").and_then(|field| match field.value {
            Value::String(_) => field.word(&[("all", WaitFor::All), ("any", WaitFor::Count(1))]),
            _ => field.number(1..=MAP_ITEMS_MAX).map(WaitFor::Count),
        });
        Some(Self { shape: shape?, on_item_error, wait_for: wait_for.unwrap_or_default() })
    }

    fn read_fixed(config: &Reader<'_>, field: &Field<'_>) -> BTreeMap<String, Vec<StepKey>> {
        for key in ["body", "max_concurrency"] {
            config.refuse_key(key, "conflicting_keys", format!("`{key}` goes with `items`, not with `branches`"));
        }
        let branches = read_branches(field);
        for (name, _) in branches.iter().filter(|(_, keys)| keys.is_empty()) {
            field.refuse("empty_body", format!("the branch `{name}` needs at least one step"));
        }
        if branches.is_empty() && field.value.is_object() {
            field.refuse("empty_body", "`branches` needs at least one branch");
        }
        branches
    }

    fn write(&self, writer: &mut Writer) {
        match &self.shape {
            ParallelShape::Branches(branches) => writer.put("branches", branches),
            ParallelShape::Map { items, body, max_concurrency } => {
                writer.put("items", items);
                writer.put("body", body);
                writer.put_some("max_concurrency", max_concurrency.as_ref());
            }
        }
        writer.put_unless("on_item_error", &self.on_item_error, &ItemErrors::default());
        match self.wait_for {
            WaitFor::All => {}
            WaitFor::Count(1) => writer.put("wait_for", "any"),
            WaitFor::Count(count) => writer.put("wait_for", &count),
        }
    }
}
