//! The compiled form of a workflow: steps by index, expressions parsed, joins wired.
//!
//! A [`Plan`] is made from a validated [`Document`](crate::document::Document) and never changes;
//! all runs of a version share one. It holds no state of a run.
//!
//! # Invariants
//!
//! 1. The dependencies of a step lie in the same [`Body`] as the step, and there is no cycle.
//! 2. Each step but those of the root body belongs to exactly one body of exactly one container.
//! 3. A step that a condition names depends on that condition.

mod build;
mod policy;

pub use build::{PlanError, StepBinding};
pub use policy::{Backoff, ItemErrors, OnTimeout, RetryPolicy, WaitFor};

use std::collections::BTreeMap;

use crate::{
    document::Settings,
    expression::{Expression, Mapping},
    id::{AgentId, WorkflowStepId},
    value::StepKey,
    workflow_step::{JoinRule, StepType},
};

/// A step's position in [`Plan::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(pub u32);

/// A body's position among those of its plan; the root is the first. See [`Plan::body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyIndex(pub u32);

impl BodyIndex {
    /// The steps that belong to no container.
    pub const ROOT: Self = Self(0);
}

/// Steps that run together: the whole workflow, a loop's body, a branch, a map's body.
#[derive(Debug)]
pub struct Body {
    /// The container that owns it; `None` for the root.
    pub owner: Option<StepIndex>,
    /// Its steps, in document order.
    pub steps: Vec<StepIndex>,
    /// Its steps that no other of its steps depends on: what the body's output is made of.
    pub sinks: Vec<StepIndex>,
}

/// One step, compiled.
#[derive(Debug)]
pub struct PlanStep {
    /// Its key, unique in the workflow.
    pub key: StepKey,
    /// Its row.
    pub workflow_step_id: Option<WorkflowStepId>,
    /// The body that it belongs to.
    pub body: BodyIndex,
    /// Its position among its body's steps.
    pub position: u32,
    /// What it waits for, conditions that name it included. Without duplicates.
    pub dependencies: Vec<StepIndex>,
    /// What waits for it.
    pub dependents: Vec<StepIndex>,
    /// When it may run, given how its dependencies ended.
    pub join: JoinRule,
    /// Its own condition; false skips it.
    pub guard: Option<Expression>,
    /// What of the answer is kept; `None` keeps all of it.
    pub outputs: Option<Mapping>,
    /// Whether a failure ends the body that it belongs to.
    pub continue_on_error: bool,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Runs an agent.
    Agent(AgentAction),
    /// Chooses a branch.
    Condition(ConditionAction),
    /// Repeats a body, one round after another.
    Loop(LoopAction),
    /// Runs branches, or one body an item, side by side.
    Parallel(ParallelAction),
    /// Waits for a time, an event or people.
    Wait(WaitAction),
}

impl Action {
    /// The type of step that it compiles.
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
}

/// Runs an agent.
#[derive(Debug)]
pub struct AgentAction {
    /// The agent, pinned when the workflow was published.
    pub agent_id: AgentId,
    /// What it is given.
    pub inputs: Mapping,
    /// How often and when it is tried again.
    pub retry: RetryPolicy,
    /// The longest that one attempt may take.
    pub timeout_ms: u64,
}

/// Chooses a branch.
#[derive(Debug)]
pub struct ConditionAction {
    /// `if`: a bool, branches `then` and `else`; or `switch`: a value, branches by its text form.
    pub test: ConditionTest,
    /// The branches: name and the steps that run only when it is taken.
    pub branches: Vec<(String, Vec<StepIndex>)>,
}

/// What a condition looks at.
#[derive(Debug)]
pub enum ConditionTest {
    /// Takes `then` or `else`.
    If(Expression),
    /// Takes the branch whose name is the value's text, else `default`.
    Switch(Expression),
}

/// Repeats a body.
#[derive(Debug)]
pub struct LoopAction {
    /// What drives it.
    pub source: LoopSource,
    /// The most rounds that it may take; past it a `while` loop fails with `loop_limit`.
    pub max_iterations: u32,
    /// What is repeated.
    pub body: BodyIndex,
    /// Checked after each round; true ends the loop.
    pub break_if: Option<Expression>,
}

/// What drives a loop.
#[derive(Debug)]
pub enum LoopSource {
    /// One round an item of the list that this mapping gives.
    Items(Mapping),
    /// A round as long as this is true, checked before each.
    While(Expression),
}

/// Runs bodies side by side.
#[derive(Debug)]
pub struct ParallelAction {
    /// The branches.
    pub shape: ParallelShape,
    /// What a failed branch does.
    pub on_item_error: ItemErrors,
    /// How many branches must complete; the rest is cancelled then.
    pub wait_for: WaitFor,
}

/// What runs side by side.
#[derive(Debug)]
pub enum ParallelShape {
    /// Named branches, all at once.
    Branches(Vec<(String, BodyIndex)>),
    /// One body an item of a list.
    Map {
        /// Gives the list.
        items: Mapping,
        /// What runs for each item.
        body: BodyIndex,
        /// How many run at once.
        max_concurrency: u32,
    },
}

/// Waits.
#[derive(Debug)]
pub struct WaitAction {
    /// For what.
    pub until: WaitUntil,
    /// The longest wait for an event or an approval, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What a wait that took too long does.
    pub on_timeout: OnTimeout,
    /// The output of a wait that timed out under [`OnTimeout::Continue`].
    pub default: serde_json::Value,
}

/// What a wait waits for.
#[derive(Debug)]
pub enum WaitUntil {
    /// A time from when it began, in milliseconds.
    Duration(u64),
    /// The moment that this mapping gives: RFC 3339 text, or milliseconds since 1970.
    Moment(Mapping),
    /// An event.
    Event {
        /// Its name.
        name: String,
        /// Which events count; sees `event`.
        filter: Option<Expression>,
        /// How long before the wait began an event may have arrived and still count.
        lookback_ms: u64,
    },
    /// A decision by people.
    Approval(serde_json::Value),
}

/// A workflow, compiled.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<PlanStep>,
    bodies: Vec<Body>,
    output: Option<Mapping>,
    settings: Settings,
    keys: BTreeMap<String, StepIndex>,
}

impl Plan {
    /// Puts a plan together; the parts MUST keep the invariants.
    pub(crate) fn assemble(
        steps: Vec<PlanStep>,
        bodies: Vec<Body>,
        output: Option<Mapping>,
        settings: Settings,
    ) -> Self {
        let keys =
            (0..).map(StepIndex).zip(&steps).map(|(index, step)| (step.key.as_str().to_owned(), index)).collect();
        Self { steps, bodies, output, settings, keys }
    }

    /// The steps, by [`StepIndex`].
    #[must_use]
    pub fn steps(&self) -> &[PlanStep] {
        &self.steps
    }

    /// The step at an index.
    ///
    /// # Panics
    ///
    /// If the index is of another plan.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "an index is only made by the plan that it belongs to")]
    pub fn step(&self, index: StepIndex) -> &PlanStep {
        &self.steps[index.0 as usize]
    }

    /// The body at an index.
    ///
    /// # Panics
    ///
    /// If the index is of another plan.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "an index is only made by the plan that it belongs to")]
    pub fn body(&self, index: BodyIndex) -> &Body {
        &self.bodies[index.0 as usize]
    }

    /// Finds a step by its key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<StepIndex> {
        self.keys.get(key).copied()
    }

    /// The mapping of the execution's output; `None` gives the outputs of the last steps by key.
    #[must_use]
    pub const fn output(&self) -> Option<&Mapping> {
        self.output.as_ref()
    }

    /// The settings of the workflow.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many steps an execution of it counts, its `steps_total`: a container is one, with all that its bodies run.
    #[must_use]
    pub fn steps_total(&self) -> u32 {
        u32::try_from(self.body(BodyIndex::ROOT).steps.len()).unwrap_or(u32::MAX)
    }
}
