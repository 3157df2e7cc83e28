//! How often one agent runs at once, over all workers.
//!
//! An agent with `max_concurrent_executions` has so many permits, which the workers share by the rules of
//! [`domain::permit`](turbocat_domain::permit). A worker keeps what it was granted from one attempt to the next: while
//! nobody else wants the agent, its attempts cost nothing more. It gives permits back when others want them, and when it
//! has not used them for a while.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::Instant;
use turbocat_domain::{
    agent::{Agent, AgentStatus, AgentType},
    id::AgentId,
    permit::{PermitGrant, PermitRequest},
    port::RepositoryError,
    run::{Report, StartStep, StepAddress},
    step_run::StepError,
};

use super::{Shard, SlotKey, message::Message, slot::Active};
use crate::{agents, core::Chain};

/// How often a worker asks that waits for a permit.
const WAITING_ASKS_EVERY: Duration = Duration::from_millis(100);
/// How often a worker asks that holds permits: whether others want them, and to give back what it does not use. So long
/// it keeps what others want, too: a turn is worth the pause between two.
const HOLDING_ASKS_EVERY: Duration = Duration::from_millis(500);

/// What storage was asked, and what it said.
pub(crate) type Permitted = (PermitRequest, Result<PermitGrant, RepositoryError>);

/// An agent, and who runs it.
pub(super) struct Gate {
    agent: Arc<Agent>,
    running: u32,
    /// Steps that wait, the longest first. What was interrupted meanwhile is passed over.
    queue: VecDeque<(SlotKey, StepAddress)>,
    permits: Permits,
    /// Whether it must be read again before the next attempt: a draft may change between two.
    is_stale: bool,
}

/// Whether storage is being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Asking {
    #[default]
    No,
    Yes,
    /// And it is to be asked again as soon as there is an answer.
    AndAgain,
}

/// What this worker holds of an agent with a limit.
#[derive(Default)]
struct Permits {
    granted: u32,
    /// Whether others want more than they have: permits are given back after a turn.
    is_contended: bool,
    asking: Asking,
    /// Whether there was less than it wanted.
    is_exhausted: bool,
    /// Until when it keeps what others want.
    turn_ends_at: Option<Instant>,
    /// The next time that it asks without a reason; `None` if it holds nothing and waits for nothing.
    ask_at: Option<Instant>,
    /// Whether an attempt ran since it asked last.
    was_used: bool,
}

impl Gate {
    fn new(agent: Arc<Agent>) -> Self {
        Self { agent, running: 0, queue: VecDeque::new(), permits: Permits::default(), is_stale: false }
    }

    fn is_limited(&self) -> bool {
        self.agent.max_concurrent_executions.is_some()
    }

    fn is_open(&self) -> bool {
        !self.is_limited() || self.running < self.permits.granted
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.queue.is_empty() && self.permits.granted == 0 && self.permits.asking == Asking::No
    }

    /// How many permits could be used.
    fn wanted(&self) -> u32 {
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let wanted = self.running.saturating_add(waiting);
        // What was just used is kept until the next look.
        if self.permits.was_used && !self.permits.is_contended { wanted.max(self.permits.granted) } else { wanted }
    }
}

impl Shard {
    /// So many agents are kept.
    const AGENTS_KEPT_MAX: usize = 10_000;

    /// Starts an attempt whose time has come, as soon as its agent is known and may run once more.
    pub(super) fn start_now(&mut self, key: SlotKey, start: StartStep) {
        let step = start.step;
        if !self.slots.get(key).is_some_and(|slot| slot.run.wants(step, start.attempt)) {
            // A fact on its way to storage has ended it since. The owner before may have started a child for it.
            return self.leaves_children(key);
        }
        let agent_id = start.agent_id;
        let Some(gate) = self.gates.get_mut(&agent_id).filter(|gate| !gate.is_stale) else {
            return self.await_agent(key, start);
        };
        if gate.agent.kind == AgentType::Workflow {
            let agent = Arc::clone(&gate.agent);
            self.start_child(key, start, agent);
        } else if gate.is_open() {
            gate.running += 1;
            gate.permits.was_used = true;
            let agent = Arc::clone(&gate.agent);
            self.launch(key, start, agent);
        } else {
            gate.queue.push_back((key, step));
            // Where there was too little, it is asked at the next look, if one is to come.
            let is_worth_it = !gate.permits.is_exhausted || gate.permits.ask_at.is_none();
            self.set_active(key, step, Active::Queued(start));
            if is_worth_it {
                self.ask_for_permits(agent_id);
            } else {
                self.show_wait(key, step);
            }
        }
    }

    /// An attempt has ended: the next may run.
    pub(super) fn leave_gate(&mut self, agent_id: AgentId) {
        let Some(gate) = self.gates.get_mut(&agent_id) else { return };
        gate.running = gate.running.saturating_sub(1);
        let is_draft = gate.agent.status == AgentStatus::Draft;
        gate.is_stale |= is_draft && gate.running == 0 && gate.queue.is_empty();
        let turn_is_over = gate.permits.turn_ends_at.is_none_or(|end| end <= Instant::now());
        if gate.permits.is_contended && turn_is_over {
            // It is somebody else's turn, unless it is said otherwise.
            gate.permits.granted = gate.permits.granted.min(gate.running);
            return self.ask_for_permits(agent_id);
        }
        self.let_in(agent_id);
    }

    fn let_in(&mut self, agent_id: AgentId) {
        while !self.draining
            && let Some(gate) = self.gates.get_mut(&agent_id)
            && gate.is_open()
            && let Some((key, step)) = gate.queue.pop_front()
        {
            let is_waiting = |slot: &super::Slot| matches!(slot.active.get(&step), Some(Active::Queued(_)));
            if self.slots.get(key).is_some_and(is_waiting)
                && let Some(Active::Queued(start)) = self.take_active(key, step)
            {
                self.start_now(key, start);
            }
        }
    }

    /// Tells storage what is wanted of an agent, and asks what there is; one call at a time.
    fn ask_for_permits(&mut self, agent_id: AgentId) {
        let Some(gate) = self.gates.get_mut(&agent_id).filter(|gate| gate.is_limited()) else { return };
        if gate.permits.asking != Asking::No {
            gate.permits.asking = Asking::AndAgain;
            return;
        }
        let request = PermitRequest { running: gate.running, wanted: gate.wanted() };
        gate.permits.asking = Asking::Yes;
        gate.permits.was_used = gate.running > 0;
        // Until the answer is there nothing is begun that the question did not tell of.
        gate.permits.granted = gate.permits.granted.min(gate.running);
        let life = Arc::clone(&self.life);
        self.life.core.tasks.spawn(async move {
            let (permits, worker) = (Arc::clone(&life.core.ports.permits), life.lease.worker);
            let grant = life.core.call(async move { permits.take_permits(worker, agent_id, request).await }).await;
            // A closed inbox means that this life is over, and with it what it holds.
            let _closed = life.shard.send(Message::Permitted(agent_id, (request, grant)));
        });
    }

    /// Storage has said what this worker holds of an agent.
    pub(super) fn permitted(&mut self, agent_id: AgentId, (asked, result): Permitted) {
        let Some(gate) = self.gates.get_mut(&agent_id) else { return };
        let now = Instant::now();
        let permits = &mut gate.permits;
        let was_exhausted = permits.is_exhausted;
        let asks_again = std::mem::take(&mut permits.asking) == Asking::AndAgain;
        match result {
            Ok(PermitGrant { granted, is_contended }) => {
                if granted > gate.running {
                    permits.turn_ends_at = Some(now + HOLDING_ASKS_EVERY);
                }
                permits.granted = granted;
                permits.is_contended = is_contended;
                permits.is_exhausted = granted < asked.wanted;
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), agent.id = %agent_id, "permits could not be asked for");
                permits.is_exhausted = true;
            }
        }
        self.let_in(agent_id);
        let Some(gate) = self.gates.get_mut(&agent_id) else { return };
        let waits = !gate.queue.is_empty();
        let waiting: Vec<_> =
            if gate.permits.is_exhausted && !was_exhausted { gate.queue.iter().copied().collect() } else { Vec::new() };
        let every = if waits && gate.permits.granted == 0 { WAITING_ASKS_EVERY } else { HOLDING_ASKS_EVERY };
        gate.permits.ask_at = (waits || gate.permits.granted > 0).then(|| now + every);
        self.permits_asked_at = self.permits_asked_at.into_iter().chain(gate.permits.ask_at).min();
        let asks_again = asks_again && !gate.permits.is_exhausted;
        for (key, step) in waiting {
            self.show_wait(key, step);
        }
        if asks_again {
            self.ask_for_permits(agent_id);
        }
    }

    /// Asks again for the agents whose time it is.
    pub(super) fn look_at_permits(&mut self) {
        let now = Instant::now();
        if self.permits_asked_at.is_none_or(|at| at > now) {
            return;
        }
        let is_due = |gate: &Gate| gate.permits.ask_at.is_some_and(|at| at <= now);
        let due: Vec<AgentId> = self.gates.iter().filter(|(_, gate)| is_due(gate)).map(|(id, _)| *id).collect();
        for agent_id in due {
            if let Some(gate) = self.gates.get_mut(&agent_id) {
                gate.permits.ask_at = None;
            }
            self.ask_for_permits(agent_id);
        }
        self.permits_asked_at = self.gates.values().filter_map(|gate| gate.permits.ask_at).min();
    }

    fn await_agent(&mut self, key: SlotKey, start: StartStep) {
        let id = start.agent_id;
        let waiting = self.unloaded.entry(id).or_default();
        waiting.push((key, start.step));
        let is_first = waiting.len() == 1;
        self.set_active(key, start.step, Active::Loading(start));
        if is_first {
            let life = Arc::clone(&self.life);
            self.life.core.tasks.spawn(async move {
                let loaded = tokio::select! {
                    biased;
                    () = life.lease.ended.cancelled() => return,
                    loaded = agents::load(&life.core, id) => loaded,
                };
                // A closed inbox means that this life is over.
                let _closed = life.shard.send(Message::AgentLoaded(id, loaded));
            });
        }
    }

    pub(super) fn agent_loaded(&mut self, id: AgentId, result: Result<Arc<Agent>, StepError>) {
        let waiting = self.unloaded.remove(&id).unwrap_or_default();
        let error = match result {
            Ok(agent) => {
                if self.gates.len() >= Self::AGENTS_KEPT_MAX {
                    self.gates.retain(|_, gate| !gate.is_idle());
                }
                match self.gates.get_mut(&id) {
                    Some(gate) => (gate.agent, gate.is_stale) = (agent, false),
                    None => drop(self.gates.insert(id, Gate::new(agent))),
                }
                None
            }
            Err(error) => Some(error),
        };
        for (key, step) in waiting {
            let is_waiting = |slot: &super::Slot| matches!(slot.active.get(&step), Some(Active::Loading(_)));
            if self.draining || !self.slots.get(key).is_some_and(is_waiting) {
                continue;
            }
            match &error {
                None => {
                    if let Some(Active::Loading(start)) = self.take_active(key, step) {
                        self.start_now(key, start);
                    }
                }
                Some(error) => {
                    let attempt = self.slots.get(key).and_then(|slot| Some(slot.active.get(&step)?.attempt()));
                    let report = Report::Failed { step, attempt: attempt.unwrap_or(1), error: error.clone() };
                    self.take_in(key, report);
                }
            }
        }
    }
}
