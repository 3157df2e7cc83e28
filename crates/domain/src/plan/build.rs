//! From a document to a plan.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Action, AgentAction, Body, BodyIndex, ConditionAction, ConditionTest, LoopAction, LoopSource, ParallelAction,
    ParallelShape, Plan, PlanStep, RetryPolicy, StepIndex, WaitAction, WaitUntil,
};
use crate::{
    document::{self, AgentStep, Document, Step, StepAction, Test, WaitStep},
    expression::{Expression, ExpressionError, Mapping, MappingProblem},
    id::{AgentId, WorkflowStepId},
    limits::RETRIES_OF_RETRY,
    value::StepKey,
    workflow_step::OnError,
};

/// What a step of a document is called outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepBinding {
    /// The row of the step.
    pub workflow_step_id: WorkflowStepId,
    /// The agent that it runs, pinned when the workflow was published; `None` for steps without one.
    pub agent_id: Option<AgentId>,
}

/// Why a document does not become a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A step has no row.
    #[error("the step `{0}` has no row")]
    Unbound(StepKey),
    /// A step of an agent has none.
    #[error("the agent of the step `{0}` does not exist any more")]
    NoAgent(StepKey),
    /// A step names another that does not exist.
    #[error("there is no step `{0}`")]
    UnknownStep(StepKey),
    /// An expression is wrong.
    #[error("an expression of {place} is wrong")]
    Expression {
        /// Where.
        place: String,
        /// What is wrong with it.
        #[source]
        error: ExpressionError,
    },
}

impl Plan {
    /// Compiles a document.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if a step has no binding, or no agent where it needs one. The other errors are those of a
    /// document that did not come from [`Document::parse`].
    pub fn compile(document: &Document, bindings: &BTreeMap<StepKey, StepBinding>) -> Result<Self, PlanError> {
        let mut builder = Builder::new(document, bindings);
        let steps = document.steps().iter().map(|step| builder.step(step)).collect::<Result<Vec<_>, _>>()?;
        let output = document.output().map(|output| mapping("the workflow", output)).transpose()?;
        let (steps, bodies) = builder.wire(steps);
        Ok(Self::assemble(steps, bodies, output, document.settings().clone()))
    }
}

struct Builder<'a> {
    bindings: &'a BTreeMap<StepKey, StepBinding>,
    index: BTreeMap<&'a StepKey, StepIndex>,
    max_parallel_steps: u32,
    bodies: Vec<Body>,
}

impl<'a> Builder<'a> {
    fn new(document: &'a Document, bindings: &'a BTreeMap<StepKey, StepBinding>) -> Self {
        let keys = document.steps().iter().map(|step| &step.key);
        Self {
            bindings,
            index: keys.zip((0..).map(StepIndex)).collect(),
            max_parallel_steps: document.settings().max_parallel_steps,
            bodies: vec![Body { owner: None, steps: Vec::new(), sinks: Vec::new() }],
        }
    }

    fn find(&self, key: &StepKey) -> Result<StepIndex, PlanError> {
        self.index.get(key).copied().ok_or_else(|| PlanError::UnknownStep(key.clone()))
    }

    /// The steps of these keys, in document order.
    fn find_all(&self, keys: &[StepKey]) -> Result<Vec<StepIndex>, PlanError> {
        let mut steps = keys.iter().map(|key| self.find(key)).collect::<Result<Vec<_>, _>>()?;
        steps.sort();
        Ok(steps)
    }

    /// Compiles a step; what it has to do with others is left to `wire`.
    fn step(&mut self, step: &Step) -> Result<PlanStep, PlanError> {
        let binding = self.bindings.get(&step.key).ok_or_else(|| PlanError::Unbound(step.key.clone()))?;
        let place = format!("the step `{}`", step.key);
        Ok(PlanStep {
            key: step.key.clone(),
            workflow_step_id: Some(binding.workflow_step_id),
            body: BodyIndex::ROOT,
            position: 0,
            dependencies: self.find_all(&step.depends_on)?,
            dependents: Vec::new(),
            join: step.join,
            guard: step.guard.as_ref().map(|guard| cel(&place, guard)).transpose()?,
            outputs: step.outputs.as_ref().map(|outputs| mapping(&place, outputs)).transpose()?,
            continue_on_error: step.on_error == OnError::Continue,
            action: self.action(step, *binding, &place)?,
        })
    }

    fn action(&mut self, step: &Step, binding: StepBinding, place: &str) -> Result<Action, PlanError> {
        Ok(match &step.action {
            StepAction::Agent(agent) => Action::Agent(AgentAction {
                agent_id: binding.agent_id.ok_or_else(|| PlanError::NoAgent(step.key.clone()))?,
                inputs: mapping(place, &agent.inputs)?,
                retry: retry_of(agent, step.on_error),
                timeout_ms: agent.timeout_ms.into(),
            }),
            StepAction::Condition(condition) => Action::Condition(ConditionAction {
                test: match &condition.test {
                    Test::If(source) => ConditionTest::If(cel(place, source)?),
                    Test::Switch(source) => ConditionTest::Switch(cel(place, source)?),
                },
                branches: condition
                    .branches
                    .iter()
                    .map(|(name, keys)| Ok((name.clone(), self.find_all(keys)?)))
                    .collect::<Result<_, PlanError>>()?,
            }),
            StepAction::Loop(repeat) => Action::Loop(LoopAction {
                source: match &repeat.source {
                    document::LoopSource::Items(items) => LoopSource::Items(mapping(place, items)?),
                    document::LoopSource::While(source) => LoopSource::While(cel(place, source)?),
                },
                max_iterations: repeat.max_iterations,
                body: self.body(step, &repeat.body)?,
                break_if: repeat.break_if.as_ref().map(|source| cel(place, source)).transpose()?,
            }),
            StepAction::Parallel(parallel) => Action::Parallel(ParallelAction {
                shape: self.shape(step, &parallel.shape, place)?,
                on_item_error: parallel.on_item_error,
                wait_for: parallel.wait_for,
            }),
            StepAction::Wait(wait) => Action::Wait(wait_of(wait, place)?),
        })
    }

    fn shape(&mut self, step: &Step, shape: &document::ParallelShape, place: &str) -> Result<ParallelShape, PlanError> {
        Ok(match shape {
            document::ParallelShape::Branches(branches) => ParallelShape::Branches(
                branches
                    .iter()
                    .map(|(name, keys)| Ok((name.clone(), self.body(step, keys)?)))
                    .collect::<Result<_, PlanError>>()?,
            ),
            document::ParallelShape::Map { items, body, max_concurrency } => ParallelShape::Map {
                items: mapping(place, items)?,
                body: self.body(step, body)?,
                max_concurrency: max_concurrency.unwrap_or(self.max_parallel_steps),
            },
        })
    }

    fn body(&mut self, owner: &Step, keys: &[StepKey]) -> Result<BodyIndex, PlanError> {
        let index = BodyIndex(u32::try_from(self.bodies.len()).unwrap_or(u32::MAX));
        let body = Body { owner: Some(self.find(&owner.key)?), steps: self.find_all(keys)?, sinks: Vec::new() };
        self.bodies.push(body);
        Ok(index)
    }

    /// Gives each step its body, its position, and what waits for it; and each body its last steps.
    fn wire(self, mut steps: Vec<PlanStep>) -> (Vec<PlanStep>, Vec<Body>) {
        for (condition, named) in branches_of(&steps) {
            let step = at(&mut steps, named);
            if let Some(step) = step.filter(|step| !step.dependencies.contains(&condition)) {
                step.dependencies.push(condition);
                step.dependencies.sort();
            }
        }
        let edges: Vec<(StepIndex, StepIndex)> = (0..)
            .map(StepIndex)
            .zip(&steps)
            .flat_map(|(index, step)| step.dependencies.iter().map(move |dependency| (*dependency, index)))
            .collect();
        for (dependency, dependent) in edges {
            if let Some(step) = at(&mut steps, dependency) {
                step.dependents.push(dependent);
            }
        }
        let mut bodies = self.bodies;
        for (index, body) in (0..).map(BodyIndex).zip(&bodies) {
            for member in &body.steps {
                if let Some(step) = at(&mut steps, *member) {
                    step.body = index;
                }
            }
        }
        for (index, body) in (0..).map(BodyIndex).zip(&mut bodies) {
            let members = || (0..).map(StepIndex).zip(&steps).filter(|(_, step)| step.body == index);
            body.steps = members().map(|(member, _)| member).collect();
            body.sinks = members().filter(|(_, step)| step.dependents.is_empty()).map(|(member, _)| member).collect();
        }
        for body in &bodies {
            for (position, member) in (0..).zip(&body.steps) {
                if let Some(step) = at(&mut steps, *member) {
                    step.position = position;
                }
            }
        }
        (steps, bodies)
    }
}

/// Conditions, with the steps that they name.
fn branches_of(steps: &[PlanStep]) -> Vec<(StepIndex, StepIndex)> {
    let mut named = Vec::new();
    for (condition, step) in (0..).map(StepIndex).zip(steps) {
        if let Action::Condition(action) = &step.action {
            named.extend(action.branches.iter().flat_map(|(_, steps)| steps).map(|step| (condition, *step)));
        }
    }
    named
}

fn at(steps: &mut [PlanStep], index: StepIndex) -> Option<&mut PlanStep> {
    steps.get_mut(index.0 as usize)
}

fn retry_of(agent: &AgentStep, on_error: OnError) -> RetryPolicy {
    let retries = match agent.retry_count {
        0 if on_error == OnError::Retry => RETRIES_OF_RETRY,
        count => count,
    };
    RetryPolicy {
        retries: u16::try_from(retries).unwrap_or(u16::MAX),
        delay_ms: agent.retry_delay_ms.into(),
        backoff: agent.backoff,
        jitter: agent.jitter,
    }
}

fn wait_of(wait: &WaitStep, place: &str) -> Result<WaitAction, PlanError> {
    Ok(WaitAction {
        until: match &wait.until {
            document::WaitUntil::Duration(duration_ms) => WaitUntil::Duration(*duration_ms),
            document::WaitUntil::Moment(moment) => WaitUntil::Moment(mapping(place, moment)?),
            document::WaitUntil::Event { name, filter, lookback_ms } => WaitUntil::Event {
                name: name.clone(),
                filter: filter.as_ref().map(|filter| cel(place, filter)).transpose()?,
                lookback_ms: *lookback_ms,
            },
            document::WaitUntil::Approval(rules) => WaitUntil::Approval(rules.clone()),
        },
        timeout_ms: wait.timeout_ms,
        on_timeout: wait.on_timeout,
        default: wait.default.clone(),
    })
}

fn cel(place: &str, source: &str) -> Result<Expression, PlanError> {
    Expression::parse(source).map_err(|error| PlanError::Expression { place: place.to_owned(), error })
}

fn mapping(place: &str, source: &Value) -> Result<Mapping, PlanError> {
    Mapping::parse(source).map_err(|problems| {
        let (pointer, error) = match problems.into_iter().next() {
            Some(MappingProblem { pointer, error }) => (pointer, error),
            None => (String::new(), ExpressionError { code: "expression_invalid", message: "it is wrong".to_owned() }),
        };
        PlanError::Expression { place: format!("{place} ({})", pointer.trim_start_matches('.')), error }
    })
}

#[cfg(test)]
mod tests;
