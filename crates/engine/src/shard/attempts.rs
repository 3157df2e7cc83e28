//! Attempts of agent steps: started in tasks of their own, shown when they take long, ended by a message.

use std::sync::{Arc, OnceLock};

use chrono::TimeDelta;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, Span, field::Empty};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution::{allocated_memory_mb, inherited_of},
    execution_log::LogLevel,
    port::{AgentCall, LogSink},
    run::{Report, StartStep, StepAddress},
    step_run::StepError,
};
use turbocat_planted::{Bug, is_planted};
use turbocat_trace::Traceparent;

use super::{
    Shard, SlotKey,
    lane::Entry,
    message::{ChildStarted, Ended, Message, StartOfChild},
    slot::{Active, Child, Running, Short, Slot},
};
use crate::{
    agents,
    children::{self, ChildCall},
    host::StepHost,
    logs::{AttemptLog, LogSource},
    trace,
};

/// How long an attempt waits for a budget before it looks again by itself: reservations of others may have been settled,
/// or a day begun. One that is changed wakes it at once.
const BUDGET_RECHECK: TimeDelta = TimeDelta::seconds(30);

/// An attempt that has no record yet.
pub(super) struct Young {
    pub(super) since: Instant,
    slot: SlotKey,
    step: StepAddress,
    attempt: u16,
}

impl Shard {
    /// Runs an agent; there is a place for it.
    pub(super) fn launch(&mut self, key: SlotKey, start: StartStep, agent: Arc<Agent>) {
        let Some(slot) = self.slots.get(key) else { return };
        let (step, attempt, agent_id) = (start.step, start.attempt, start.agent_id);
        let agent = agents::within_memory(agent, allocated_memory_mb(&slot.run.context().trigger_data));
        let planned = slot.run.plan().step(step.step);
        let source = LogSource {
            execution_id: slot.id,
            path: start.path.clone(),
            attempt,
            step_key: planned.key.clone(),
            workflow_step_id: planned.workflow_step_id,
        };
        let child = child_of(slot, &start, &agent);
        let limits = slot.run.plan().settings().budget.as_slice().into();
        let (life, short) = (Arc::clone(&self.life), OnceLock::new());
        let host = Arc::new(StepHost { life, slot: key, step, attempt, child, limits, short });
        // The owner before may have started children for it, and the attempt may do so.
        let may_have_children = agent.kind == AgentType::Llm && agent.config.get("tools").is_some();
        let call = AgentCall {
            execution_id: slot.id,
            user_id: slot.user_id,
            path: if is_planted(Bug::KeyOfAttempt) { format!("{}#{attempt}", start.path) } else { start.path },
            attempt,
            timeout_ms: agents::effective_timeout_ms(&agent, start.timeout_ms),
            inputs: agent.inputs_over_parameters(start.inputs),
            agent,
            host: Arc::clone(&host) as _,
        };
        let core = &self.life.core;
        let log = Arc::new(AttemptLog::new(core, source));
        let (runner, shard) = (Arc::clone(&core.ports.runner), self.life.shard.clone());
        let span = tracing::info_span!(
            "run.step",
            execution.id = %call.execution_id, step.path = call.path, attempt,
            otel.status_code = Empty, error.type = Empty,
        );
        let trace = trace::of(&slot.run.context().trigger_data);
        turbocat_trace::adopt(&span, &trace.unwrap_or_else(|| Traceparent::of_execution(slot.id.as_uuid())));
        let run = async move {
            let lines = Arc::clone(&log);
            let result = agents::attempt(runner, call, log).await;
            // What waits for a budget has not failed.
            let short = result.as_ref().err().and_then(|_| host.short.get().cloned());
            if let Some(short) = &short {
                lines.log(LogLevel::Warn, &format!("waits for a budget: {}", short.message));
            } else if let Err(error) = &result {
                Span::current().record("otel.status_code", "ERROR").record("error.type", error.code.as_str());
            }
            // A closed inbox means that this life is over, and with it the attempt.
            let _closed = shard.send(Message::Ended(Ended { slot: key, step, attempt, result, short }));
        };
        let task = core.tasks.spawn(turbocat_trace::told(trace, run).instrument(span));
        let running = Running { attempt, agent_id, task: task.abort_handle() };
        self.set_active(key, step, Active::Running(running));
        if may_have_children {
            self.leaves_children(key);
        }
        self.show_later(key, step, attempt);
    }

    /// Starts an execution of another workflow.
    pub(super) fn start_child(&mut self, key: SlotKey, start: StartStep, agent: Arc<Agent>) {
        let Some(slot) = self.slots.get(key) else { return };
        let (step, attempt) = (start.step, start.attempt);
        if slot.children().count() + slot.children_ended + slot.children_detached >= children::children_max() {
            let error = children::too_many();
            let child = Child { attempt, path: String::new(), id: slot.id, is_started: false, agent };
            self.set_active(key, step, Active::Child(child));
            return self.take_in(key, Report::Failed { step, attempt, error });
        }
        let id = children::child_id(slot.id, &start.path, attempt);
        let (path, waits) = (children::child_path(&start.path, attempt), agent.waits_for_end());
        let child = child_of(slot, &start, &agent);
        let call = ChildCall { inputs: agent.inputs_over_parameters(start.inputs), ..child };
        let life = Arc::clone(&self.life);
        self.life.core.tasks.spawn(async move {
            let result = tokio::select! {
                biased;
                () = life.lease.ended.cancelled() => return,
                result = children::start(&life.core, call) => result,
            };
            if result.is_ok() {
                life.hints.claim();
            }
            let started = ChildStarted { slot: key, step, attempt, child: id, result };
            // A closed inbox means that this life is over; who recovers the parent finds the child.
            let _closed = life.shard.send(Message::ChildStarted(started));
        });
        if let Some(slot) = self.slots.get_mut(key) {
            slot.children_starting += 1;
            slot.children_detached += usize::from(!waits);
        }
        self.set_active(key, step, Active::Child(Child { attempt, path, id, is_started: false, agent }));
        self.show_later(key, step, attempt);
    }

    pub(super) fn child_started(&mut self, started: ChildStarted) {
        let ChildStarted { slot: key, step, attempt, child, result } = started;
        if let Some(slot) = self.slots.get_mut(key) {
            slot.children_starting -= 1;
            if slot.end.is_some() {
                return self.hand_over_end(key);
            }
        }
        let awaited = match self.slots.get(key).and_then(|slot| slot.active.get(&step)) {
            Some(Active::Child(active)) => active.attempt == attempt,
            _ => false,
        };
        match result {
            Ok(Some(answer)) if awaited => self.take_in(key, Report::Answered { step, attempt, answer }),
            Ok(None) if awaited => {
                let Some(Active::Child(active)) = self.take_active(key, step) else { return };
                self.set_active(key, step, Active::Child(Child { is_started: true, ..active }));
                // It may have been there, and ended, before.
                self.request_read(key, false);
                self.settle(key);
            }
            Ok(None) => self.cancel_child(child),
            Err(error) if awaited => self.take_in(key, Report::Failed { step, attempt, error }),
            // What goes its own way does so, also if its step was interrupted meanwhile.
            Ok(Some(_)) | Err(_) => {}
        }
    }

    /// Lets an attempt start a child, if the run wants both.
    pub(super) fn may_start_child(&mut self, asked: StartOfChild) {
        let StartOfChild { slot: key, step, attempt, answer } = asked;
        let slot = self.slots.get_mut(key).filter(|slot| slot.is_live());
        let wanted =
            slot.filter(|slot| matches!(slot.active.get(&step), Some(Active::Running(one)) if one.attempt == attempt));
        // An attempt that is not wanted is about to be dropped.
        let Some(slot) = wanted else { return };
        let leave = if slot.children().count() + slot.children_of_attempts >= children::children_max() {
            Err(children::too_many())
        } else {
            slot.children_of_attempts += 1;
            slot.children_starting += 1;
            slot.leaves_children = true;
            Ok(())
        };
        let is_given = leave.is_ok();
        if answer.send(leave).is_err() && is_given {
            self.child_is_there(key);
        }
    }

    /// The start of an attempt's child is over.
    pub(super) fn child_is_there(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.children_starting -= 1;
        if slot.end.is_some() {
            self.hand_over_end(key);
        }
    }

    /// An attempt has ended by itself.
    pub(super) fn attempt_ended(&mut self, ended: Ended) {
        let Ended { slot: key, step, attempt, result, short } = ended;
        let is_current = match self.slots.get(key).and_then(|slot| slot.active.get(&step)) {
            Some(Active::Running(running)) => running.attempt == attempt,
            _ => false,
        };
        if let Some(short) = short.filter(|_| is_current) {
            self.suspend(key, (step, attempt), &short);
        } else if is_current {
            self.take_in(
                key,
                match result {
                    Ok(answer) => Report::Answered { step, attempt, answer },
                    Err(error) => Report::Failed { step, attempt, error },
                },
            );
        }
    }

    /// Lets an attempt wait until a budget has enough left for its next turn. It has not failed: the same attempt goes
    /// on, behind what was recorded of it.
    fn suspend(&mut self, key: SlotKey, (step, attempt): (StepAddress, u16), short: &StepError) {
        self.take_active(key, step);
        let due = self.now + BUDGET_RECHECK;
        let Some(slot) = self.slots.get(key) else { return };
        if let Some(start) = slot.run.start_again(step, attempt, due) {
            self.set_active(key, step, Active::Short(Short { start, why: short.message.clone() }));
            self.settle(key);
        }
    }

    /// Starts the attempts again that wait for a budget: one was changed.
    pub(super) fn try_budgets_again(&mut self, key: SlotKey) {
        let Some(slot) = self.slots.get(key) else { return };
        let short = slot.active.iter().filter(|(_, active)| matches!(active, Active::Short(_)));
        let short: Vec<StepAddress> = short.map(|(step, _)| *step).collect();
        for step in short {
            if let Some(Active::Short(Short { start, .. })) = self.take_active(key, step) {
                self.start_now(key, start);
            }
        }
    }

    fn show_later(&mut self, slot: SlotKey, step: StepAddress, attempt: u16) {
        self.young.push_back(Young { since: Instant::now(), slot, step, attempt });
    }

    /// Journals that attempts are running which are old enough to be worth seeing.
    pub(super) fn show_what_runs(&mut self) {
        let visible_after = self.life.core.options.visible_after;
        if self.young.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(young) = self.young.front()
            && young.since + visible_after <= now
        {
            let shown = self.slots.get(young.slot).filter(|slot| slot.is_live()).and_then(|slot| {
                let active = slot.active.get(&young.step)?;
                let runs = matches!(active, Active::Running(_) | Active::Child(_));
                (runs && active.attempt() == young.attempt).then(|| slot.run.running_record(young.step)).flatten()
            });
            self.young.pop_front();
            if let Some(record) = shown {
                self.lanes.push(Entry::Record(Box::new(record)));
            }
        }
    }
}

/// A child of an attempt, but for what it is given.
fn child_of(slot: &Slot, start: &StartStep, agent: &Arc<Agent>) -> ChildCall {
    ChildCall {
        parent: slot.id,
        path: start.path.clone(),
        attempt: start.attempt,
        depth: slot.depth,
        user_id: slot.user_id,
        agent: Arc::clone(agent),
        inputs: Value::Null,
        trace: trace::of(&slot.run.context().trigger_data),
        inherited: inherited_of(&slot.run.context().trigger_data),
    }
}
