//! How often one agent runs at once.
//!
//! A gate counts the attempts of this process only: with `n` workers an agent may run up to
//! `n × max_concurrent_executions` times. A bound over all processes would need a row that every attempt changes.

use std::{collections::VecDeque, sync::Arc};

use turbocat_domain::{
    agent::{Agent, AgentStatus, AgentType},
    id::AgentId,
    run::{Report, StartStep, StepAddress},
    step_run::StepError,
};

use super::{Shard, SlotKey, message::Message, slot::Active};
use crate::agents;

/// An agent, and who runs it.
pub(super) struct Gate {
    agent: Arc<Agent>,
    running: u32,
    /// Steps that wait, the longest first. What was interrupted meanwhile is passed over.
    queue: VecDeque<(SlotKey, StepAddress)>,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.agent.max_concurrent_executions.is_none_or(|most| self.running < most.max(1))
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.queue.is_empty()
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
        let Some(gate) = self.gates.get_mut(&start.agent_id) else {
            return self.await_agent(key, start);
        };
        if gate.agent.kind == AgentType::Workflow {
            let agent = Arc::clone(&gate.agent);
            self.start_child(key, start, agent);
        } else if gate.is_open() {
            gate.running += 1;
            let agent = Arc::clone(&gate.agent);
            self.launch(key, start, agent);
        } else {
            gate.queue.push_back((key, step));
            self.set_active(key, step, Active::Queued(start));
        }
    }

    /// An attempt has ended: the next may run.
    pub(super) fn leave_gate(&mut self, agent_id: AgentId) {
        let Some(gate) = self.gates.get_mut(&agent_id) else { return };
        gate.running = gate.running.saturating_sub(1);
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
        self.forget_draft(agent_id);
    }

    /// A draft may change between two runs: it is read again for the next.
    fn forget_draft(&mut self, agent_id: AgentId) {
        if self.gates.get(&agent_id).is_some_and(|gate| gate.agent.status == AgentStatus::Draft && gate.is_idle()) {
            self.gates.remove(&agent_id);
        }
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
                self.gates.insert(id, Gate { agent, running: 0, queue: VecDeque::new() });
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
