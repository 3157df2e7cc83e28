//! The workflows of the workload as a tree: bodies hold their steps.

use serde_json::Value;

use super::expression::{Expr, Test};

/// A workflow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workflow {
    /// Its name.
    pub(crate) name: String,
    /// Its steps, each after those that it depends on.
    pub(crate) steps: Vec<Step>,
    /// What it returns; `None` for the outputs of its last steps.
    pub(crate) output: Option<Vec<(String, Expr)>>,
    /// How long it may take; only of one that never ends by itself.
    pub(crate) timeout_ms: Option<u64>,
    /// How many agents run at once.
    pub(crate) max_parallel_steps: u64,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Its key.
    pub(crate) key: String,
    /// Steps of the same body.
    pub(crate) depends_on: Vec<String>,
    /// When it may run.
    pub(crate) join: Join,
    /// Its `if`.
    pub(crate) guard: Option<Test>,
    /// What its failure does.
    pub(crate) on_error: OnError,
    /// What it does.
    pub(crate) action: Action,
}

/// When a step may run, given how those ended that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    AllSuccess,
    NoneFailed,
    OneSuccess,
    AllDone,
}

/// What the failure of a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Fail,
    Continue,
    /// Only of agents.
    Retry,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Agent(Agent),
    /// Runs another workflow with these inputs.
    Child(String, Vec<(&'static str, Expr)>),
    Condition(Condition),
    Loop(Loop),
    Fork(Fork),
    Wait(Wait),
}

/// An agent of the chaos.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agent {
    /// The name of the agent.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) act: Act,
    /// What it answers with in the end.
    pub(crate) value: Expr,
    /// Whether it changes the world outside.
    pub(crate) is_effect: bool,
    /// `retry_count`.
    pub(crate) retries: u16,
    /// `retry_delay_ms`.
    pub(crate) retry_delay_ms: u64,
    /// Whether the delay grows.
    pub(crate) is_fixed: bool,
    /// Whether the delay is spread.
    pub(crate) has_jitter: bool,
    /// `timeout_ms`.
    pub(crate) timeout_ms: Option<u64>,
}

/// What an agent does; everything is decided by its inputs and the number of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers.
    Echo,
    /// Answers after so many milliseconds.
    Slow(u64),
    /// Fails so many attempts in a way that another may mend.
    Flaky(u16),
    /// Crashes its runner in so many attempts.
    Crash(u16),
    /// Does not answer in so many attempts.
    Hang(u16),
    /// Fails for good.
    Fail,
}

/// Chooses a branch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    /// What it looks at.
    pub(crate) choice: Choice,
    /// Names of branches and the steps that they name; `default` is that of a switch.
    pub(crate) branches: Vec<(String, Vec<String>)>,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Choice {
    If(Test),
    Switch(Expr),
}

/// Repeats a body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loop {
    pub(crate) rounds: Rounds,
    pub(crate) max_iterations: u64,
    pub(crate) break_if: Option<Test>,
    pub(crate) body: Vec<Step>,
}

/// What drives a loop.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rounds {
    Items(Expr),
    While(Test),
}

/// Runs bodies side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fork {
    pub(crate) shape: ForkShape,
    pub(crate) on_item_error: ItemErrors,
    /// How many must complete; `None` for all.
    pub(crate) wait_for: Option<u64>,
}

/// What runs side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ForkShape {
    Branches(Vec<(String, Vec<Step>)>),
    Map { items: Expr, body: Vec<Step>, max_concurrency: Option<u64> },
}

/// What the failure of a branch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemErrors {
    Fail,
    Null,
    Drop,
}

/// Waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wait {
    /// So many milliseconds.
    Duration(u64),
    /// For a moment that is long past.
    Past,
    /// For an event that is sent.
    Event(&'static str),
    /// For an event that nobody sends: fails, or goes on with this.
    Nothing { timeout_ms: u64, default: Option<Value> },
    /// For an event that nobody sends, for ever.
    Endless,
    /// For people, who may come too late: then it goes on.
    Approval { timeout_ms: u64 },
}

impl Action {
    /// The bodies of a container, with what the paths of their steps begin with after its key.
    pub(crate) fn bodies(&self) -> Vec<&[Step]> {
        match self {
            Self::Loop(repeat) => vec![&repeat.body],
            Self::Fork(Fork { shape: ForkShape::Map { body, .. }, .. }) => vec![body],
            Self::Fork(Fork { shape: ForkShape::Branches(branches), .. }) => {
                branches.iter().map(|(_, body)| body.as_slice()).collect()
            }
            Self::Agent(_) | Self::Child(..) | Self::Condition(_) | Self::Wait(_) => Vec::new(),
        }
    }
}

/// The conditions of a body that name a step.
pub(crate) fn deciders<'a>(body: &'a [Step], key: &'a str) -> impl Iterator<Item = (&'a str, &'a Condition)> {
    body.iter().filter_map(move |step| match &step.action {
        Action::Condition(condition) if condition.branches.iter().any(|(_, keys)| keys.iter().any(|k| k == key)) => {
            Some((step.key.as_str(), condition))
        }
        _ => None,
    })
}

/// All that a step waits for, the conditions that name it included.
pub(crate) fn dependencies<'a>(body: &'a [Step], step: &'a Step) -> Vec<&'a str> {
    let mut all: Vec<&str> = step.depends_on.iter().map(String::as_str).collect();
    for (condition, _) in deciders(body, &step.key) {
        if !all.contains(&condition) {
            all.push(condition);
        }
    }
    all
}
