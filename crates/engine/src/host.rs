//! What an attempt has at hand at its worker: the parts of its step, other agents, child executions.
//!
//! # Invariants
//!
//! 1. A part is durable when [`AttemptHost::record`] returns, and it was recorded while the worker owned the execution.
//! 2. A child that is started for an attempt is known to the run before it is: the end of the run asks for it to be
//!    cancelled.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::Span;
use turbocat_domain::{
    agent::{Agent, AgentStatus},
    budget::BudgetLimit,
    id::{AgentId, ExecutionId},
    limits,
    port::{
        AttemptHost, BUDGET_EXCEEDED, PartOutcome, RepositoryError, Reservation, ReserveOutcome, StepPart, StepPlace,
        WorkflowCall,
    },
    run::StepAddress,
    step_run::StepError,
    usage::Charge,
    value::json_text,
};
use turbocat_planted::{Bug, is_planted};

use crate::{
    backoff::Backoff,
    children::{self, ChildCall},
    core::{Chain, pause},
    lease::LeaseEnd,
    life::Life,
    shard::{Message, SlotKey, StartOfChild},
};

/// The host of one attempt.
pub(crate) struct StepHost {
    pub(crate) life: Arc<Life>,
    pub(crate) slot: SlotKey,
    pub(crate) step: StepAddress,
    pub(crate) attempt: u16,
    /// The children that it starts, but for what each is about.
    pub(crate) child: ChildCall,
    /// How much its workflow lets the models of the execution use.
    pub(crate) limits: Arc<[BudgetLimit]>,
    /// The budget that the attempt is short of.
    pub(crate) short: OnceLock<StepError>,
}

impl fmt::Debug for StepHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepHost")
            .field("execution", &self.child.parent)
            .field("path", &self.child.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl AttemptHost for StepHost {
    async fn recorded(&self) -> Result<Vec<StepPart>, StepError> {
        if is_planted(Bug::PartsForgotten) {
            return Ok(Vec::new());
        }
        let (core, place) = (&self.life.core, self.place());
        let read = core.call_again("part.list", || {
            let (parts, place) = (Arc::clone(&core.ports.parts), place.clone());
            async move { parts.parts(&place).await }
        });
        read.await.map_err(|error| {
            tracing::error!(execution.id = %self.child.parent, error = %Chain(&error), "the parts of a step cannot be read");
            StepError::transient("parts_unreadable", format!("what the step has done before cannot be read: {error}"))
        })
    }

    async fn reserve(&self, turn: Reservation) -> Result<(), StepError> {
        let (core, place, turn) = (&self.life.core, Arc::new(self.place()), Arc::new(turn));
        let limits = Arc::clone(&self.limits);
        let asked = core.call_again("budget.reserve", || {
            let (budgets, place, turn) = (Arc::clone(&core.ports.budgets), Arc::clone(&place), Arc::clone(&turn));
            let limits = Arc::clone(&limits);
            async move { budgets.reserve(&place, &turn, &limits).await }
        });
        match asked.await {
            Ok(ReserveOutcome::Reserved) => Ok(()),
            Ok(ReserveOutcome::Short(short)) => {
                let error = StepError::transient(BUDGET_EXCEEDED, short.message());
                // The first that is short is why the attempt waits.
                let _earlier = self.short.set(error.clone());
                Err(error)
            }
            Err(error) => Err(refused(&place, &error)),
        }
    }

    async fn record(&self, part: StepPart, charge: Option<Charge>) -> Result<Value, StepError> {
        let (data, _) = json_text::clean(part.data);
        limits::STEP_OUTPUT.check(&data).map_err(|excess| {
            StepError::permanent("output_too_large", format!("`{}` of the step cannot be kept: {excess}", part.key))
        })?;
        let part = Arc::new((StepPart { data, ..part }, charge));
        let (life, place) = (&self.life, Arc::new(self.place()));
        let mut backoff = Backoff::default();
        while life.lease.is_trusted() {
            let (parts, worker) = (Arc::clone(&life.core.ports.parts), life.lease.worker);
            let (at, sent) = (Arc::clone(&place), Arc::clone(&part));
            let sent = async move { parts.record_part(worker, &at, (&sent.0, sent.1.as_ref())).await };
            match life.core.call(sent).await {
                Ok(PartOutcome::Stands(data)) => return Ok(data),
                Ok(PartOutcome::Fenced) => {
                    life.lease.end(LeaseEnd::Fenced);
                    break;
                }
                Ok(PartOutcome::NotOwned) => break,
                Err(error) if error.is_transient() => pause("part.record", &error, backoff.next()).await,
                Err(error) => return Err(refused(&place, &error)),
            }
        }
        Err(StepError::transient("lease_lost", "the worker lost the execution while the step ran"))
    }

    async fn agent(&self, name: &str) -> Result<Arc<Agent>, StepError> {
        let (core, owner) = (&self.life.core, self.child.agent.user_id);
        let found = core.call_again("agent.find", || {
            let (queries, name) = (Arc::clone(&core.ports.queries), name.to_owned());
            async move {
                match name.parse::<AgentId>() {
                    Ok(id) => queries.agents().get(id).await.map(Some),
                    Err(_) => queries.agents().find_active(owner, &name).await,
                }
            }
        });
        let missing = || {
            let message =
                format!("agent {} calls agent `{name}`, of which there is no active version", self.child.agent.name);
            StepError::permanent("agent_not_found", message)
        };
        match found.await {
            Ok(Some(agent)) if agent.status == AgentStatus::Active && agent.is_usable_by(owner) => Ok(Arc::new(agent)),
            Ok(_) | Err(RepositoryError::NotFound { .. }) => Err(missing()),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "an agent cannot be read");
                Err(StepError::permanent("agent_unreadable", format!("agent `{name}` cannot be read: {error}")))
            }
        }
    }

    async fn run_workflow(&self, call: WorkflowCall) -> Result<Value, StepError> {
        let path = format!("{}/{}", self.child.path, call.key);
        let id = children::child_id(self.child.parent, &path, 1);
        // The agent names the workflow, as one of type `workflow` would; what it says of its own form is not about that.
        let (config, capabilities) = (json!({ "workflow": call.workflow, "wait": call.waits }), Value::Null);
        let agent = Agent { config, capabilities, ..Agent::clone(&self.child.agent) };
        let trace = turbocat_trace::outgoing(&Span::current());
        let child =
            ChildCall { path, attempt: 1, inputs: call.inputs, agent: Arc::new(agent), trace, ..self.child.clone() };
        let answer = self.start(child).await?;
        self.life.hints.claim();
        match answer {
            Some(answer) => Ok(answer),
            None => self.outcome(id).await,
        }
    }
}

impl StepHost {
    fn place(&self) -> StepPlace {
        StepPlace { execution_id: self.child.parent, path: self.child.path.clone() }
    }

    /// Starts a child, if the run still wants this attempt.
    async fn start(&self, child: ChildCall) -> Result<Option<Value>, StepError> {
        let lost = |_| StepError::transient("lease_lost", "the worker lost the execution while the step ran");
        let (answer, may_start) = oneshot::channel();
        let asked = StartOfChild { slot: self.slot, step: self.step, attempt: self.attempt, answer };
        // A closed inbox means that this life is over: the answer's other end is dropped.
        let _closed = self.life.shard.send(Message::MayStartChild(asked));
        may_start.await.map_err(lost)??;
        let (life, slot) = (Arc::clone(&self.life), self.slot);
        // It goes on if the attempt is dropped, for the run waits with its end until it knows.
        let started = self.life.core.tasks.spawn(async move {
            let result = children::start(&life.core, child).await;
            let _closed = life.shard.send(Message::ChildIsThere(slot));
            result
        });
        started.await.unwrap_or_else(|_| Err(StepError::transient("crashed", "the start of an execution crashed")))
    }

    /// Waits for the end of a child.
    async fn outcome(&self, id: ExecutionId) -> Result<Value, StepError> {
        const FIRST: Duration = Duration::from_millis(20);
        const LAST: Duration = Duration::from_secs(1);
        let (core, parent) = (&self.life.core, self.child.parent);
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST);
            let ended = core.call_again("execution.ended_children", || {
                let queue = Arc::clone(&core.ports.queue);
                async move { queue.ended_children(&[parent]).await }
            });
            let ended = ended.await.map_err(|error| {
                StepError::transient(
                    "child_unreadable",
                    format!("the execution that was started cannot be read: {error}"),
                )
            })?;
            if let Some((_, child)) = ended.into_iter().find(|(_, child)| child.id == id) {
                return child.result;
            }
        }
    }
}

fn refused(place: &StepPlace, error: &RepositoryError) -> StepError {
    tracing::error!(execution.id = %place.execution_id, error = %Chain(error), "storage refuses a part of a step");
    StepError::permanent("storage_refused", "storage refuses a part of this step; the server's log says why")
}
