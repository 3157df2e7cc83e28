//! News of executions: cancels, ended children, events.
//!
//! Mail says which executions have news; what the news is, is read where it is stored. So a letter that came twice
//! does no harm. One that was lost (the answer to `take_mail` did not arrive) is made good by looking at everything.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
};

use tokio::time::Instant;
use turbocat_domain::{
    agent::Agent,
    agent_form::check_output,
    execution::Execution,
    id::ExecutionId,
    port::{EndedChild, ExecutionMail, RepositoryError},
    run::{AwaitedEvent, Report, StepAddress},
};
use turbocat_planted::{Bug, is_planted};

use super::{
    Shard, SlotKey,
    message::{Message, ReadReply, Signals},
    slot::Active,
};
use crate::{
    core::{Chain, Core},
    life::Life,
};

/// When mail is taken.
pub(super) struct Mailbox {
    /// Somebody said that there is some.
    pub(super) is_wanted: bool,
    /// It is looked for without that at this time.
    pub(super) next_at: Instant,
    is_being_taken: bool,
    /// It is not known whether some was lost.
    is_in_doubt: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { is_wanted: false, next_at: Instant::now(), is_being_taken: false, is_in_doubt: false }
    }
}

impl Mailbox {
    pub(super) const fn is_idle(&self) -> bool {
        !self.is_being_taken
    }

    /// Nothing leaves memory while mail is being taken or is about to be, nor while some may be lost.
    pub(super) const fn allows_parking(&self) -> bool {
        !self.is_being_taken && !self.is_wanted && !self.is_in_doubt
    }

    /// Whether it is looked for at the next time.
    pub(super) const fn sleeps(&self) -> bool {
        !self.is_being_taken && !self.is_wanted
    }
}

/// Look-ups that wait for the one under way.
#[derive(Default)]
pub(super) struct Reads {
    waiting: BTreeMap<SlotKey, Read>,
    is_under_way: bool,
    /// Whether the one under way looks up what is asked of executions.
    checks_state: bool,
}

/// What is to be looked up for an execution.
struct Read {
    id: ExecutionId,
    has_children: bool,
    /// The agents that say a form of their answer, by the paths of their children.
    forms: HashMap<String, Arc<Agent>>,
    waits: Vec<(StepAddress, String, AwaitedEvent)>,
    /// Whether something may have been asked of it: a cancel, a pause, that it goes on.
    checks_state: bool,
}

impl Reads {
    /// Whether it is being looked up, or about to be, what is asked of executions.
    fn check_state(&self) -> bool {
        self.checks_state || self.waiting.values().any(|read| read.checks_state)
    }
}

impl Shard {
    /// Takes mail, if somebody said that there is some or it was not looked for in a while.
    pub(super) fn take_mail(&mut self) {
        let is_due = !self.index.is_empty() && Instant::now() >= self.mailbox.next_at;
        if !(is_due || self.mailbox.is_wanted) || !self.mailbox.is_idle() {
            return;
        }
        self.mailbox.is_wanted = !self.index.is_empty() || !self.arrivals.is_empty();
        if !self.mailbox.is_wanted || self.lanes.are_parking() || self.reads.check_state() {
            return;
        }
        self.mailbox.is_wanted = false;
        self.mailbox.is_being_taken = true;
        let life = Arc::clone(&self.life);
        self.life.core.tasks.spawn(async move {
            let (queue, worker) = (Arc::clone(&life.core.ports.queue), life.lease.worker);
            let mail = life.core.call(async move { queue.take_mail(worker).await }).await;
            // A closed inbox means that this life is over; the next owner looks at everything.
            let _closed = life.shard.send(Message::MailTaken(mail));
        });
    }

    pub(super) fn mail_taken(&mut self, result: Result<Vec<ExecutionMail>, RepositoryError>) {
        self.mailbox.is_being_taken = false;
        self.mailbox.next_at = Instant::now() + self.life.core.options.busy_poll;
        let mail = match result {
            Ok(mail) => mail,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "mail could not be taken");
                self.mailbox.is_in_doubt = true;
                return;
            }
        };
        for letter in mail {
            let id = letter.id;
            if !(letter.cancel_requested && is_planted(Bug::MailLost)) {
                self.deliver(letter);
            }
            if let Some(key) = self.index.get(&id).copied() {
                self.try_budgets_again(key);
                self.request_read(key, false);
                self.settle(key);
            }
        }
        // Of those that have not arrived it cannot be looked up what was asked of them.
        if self.mailbox.is_in_doubt && self.arrivals.is_empty() {
            self.mailbox.is_in_doubt = false;
            for key in self.slots.keys() {
                self.unpark(key);
                self.request_read(key, true);
            }
        }
    }

    /// Has it looked up what has happened of what a run waits for.
    pub(super) fn request_read(&mut self, key: SlotKey, checks_state: bool) {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_live()) else { return };
        let has_children = !slot.is_paused && slot.children().next().is_some();
        if !(has_children || slot.waits_for_events() || checks_state) {
            return;
        }
        let forms = slot.children().filter(|child| child.agent.output_schema().is_some());
        let forms = forms.map(|child| (child.path.clone(), Arc::clone(&child.agent))).collect();
        let waits = slot.event_waits().map(|(step, waiting, event)| (step, waiting.path.clone(), event.clone()));
        let waits = waits.collect();
        slot.events_read_at = Some(self.now);
        match self.reads.waiting.entry(key) {
            Entry::Occupied(mut waiting) => {
                let checks_state = checks_state || waiting.get().checks_state;
                waiting.insert(Read { id: slot.id, has_children, forms, waits, checks_state });
            }
            Entry::Vacant(place) => {
                slot.reading += 1;
                place.insert(Read { id: slot.id, has_children, forms, waits, checks_state });
            }
        }
        self.read_next();
    }

    fn read_next(&mut self) {
        if self.reads.is_under_way || self.reads.waiting.is_empty() {
            return;
        }
        self.reads.is_under_way = true;
        self.reads.checks_state = self.reads.check_state();
        let (life, reads) = (Arc::clone(&self.life), std::mem::take(&mut self.reads.waiting));
        self.life.core.tasks.spawn(async move {
            if let Some(reply) = read_all(&life, reads).await {
                // A closed inbox means that this life is over; the next owner looks again.
                let _closed = life.shard.send(Message::Read(reply));
            }
        });
    }

    /// Takes in what was looked up.
    pub(super) fn read(&mut self, reply: ReadReply) {
        (self.reads.is_under_way, self.reads.checks_state) = (false, false);
        for key in &reply.slots {
            if let Some(slot) = self.slots.get_mut(*key) {
                slot.reading = slot.reading.saturating_sub(1);
            }
        }
        for letter in reply.letters {
            // Those that have left have ended.
            if let Some(key) = self.index.get(&letter.id).copied() {
                self.deliver(letter);
                self.request_read(key, false);
            }
        }
        self.children_ended(reply.children);
        for Signals { slot: key, step, payloads, last_at } in reply.signals {
            // What was paused meanwhile holds its waits back.
            if let Some(slot) = self.slots.get_mut(key)
                && let Some(Active::Waiting(waiting)) = slot.active.get_mut(&step)
            {
                waiting.seen_until = waiting.seen_until.max(Some(last_at));
                self.take_in(key, Report::Signalled { step, payloads });
            }
        }
        for key in reply.slots {
            self.settle(key);
        }
        self.read_next();
    }

    fn children_ended(&mut self, children: Vec<(ExecutionId, EndedChild)>) {
        let mut by_parent: BTreeMap<ExecutionId, Vec<EndedChild>> = BTreeMap::new();
        for (parent, child) in children {
            by_parent.entry(parent).or_default().push(child);
        }
        for (parent, children) in by_parent {
            let Some(key) = self.index.get(&parent).copied() else { continue };
            let Some(slot) = self.slots.get_mut(key).filter(|slot| !slot.is_paused) else { continue };
            slot.children_ended = children.len();
            let steps: HashMap<String, (StepAddress, u16)> = slot
                .active
                .iter()
                .filter_map(|(step, active)| match active {
                    Active::Child(child) => Some((child.path.clone(), (*step, child.attempt))),
                    _ => None,
                })
                .collect();
            for child in children {
                let Some(&(step, attempt)) = steps.get(&child.path) else { continue };
                self.take_in(
                    key,
                    match child.result {
                        Ok(answer) => Report::Answered { step, attempt, answer },
                        Err(error) => Report::Failed { step, attempt, error },
                    },
                );
            }
        }
    }
}

/// Looks up what runs wait for. `None` if the life ended meanwhile.
async fn read_all(life: &Arc<Life>, reads: BTreeMap<SlotKey, Read>) -> Option<ReadReply> {
    tokio::select! {
        biased;
        () = life.lease.ended.cancelled() => None,
        reply = look_up(&life.core, reads) => Some(reply),
    }
}

async fn look_up(core: &Arc<Core>, reads: BTreeMap<SlotKey, Read>) -> ReadReply {
    let mut reply = ReadReply { slots: reads.keys().copied().collect(), ..ReadReply::default() };
    let parents: Arc<[ExecutionId]> = reads.values().filter(|read| read.has_children).map(|read| read.id).collect();
    if !parents.is_empty() {
        let children = core.call_again("execution.ended_children", || {
            let (queue, parents) = (Arc::clone(&core.ports.queue), Arc::clone(&parents));
            async move { queue.ended_children(&parents).await }
        });
        let by_parent: HashMap<ExecutionId, &Read> = reads.values().map(|read| (read.id, read)).collect();
        let checked = found(children.await).into_iter().map(|(parent, child)| {
            match by_parent.get(&parent).and_then(|read| read.forms.get(&child.path)) {
                Some(agent) => (parent, in_form(core, agent, child)),
                None => (parent, child),
            }
        });
        reply.children = checked.collect();
    }
    for (slot, read) in reads {
        let id = read.id;
        if read.checks_state {
            reply.letters.extend(look_up_state(core, id).await);
        }
        for (step, path, event) in read.waits {
            reply.signals.extend(look_up_events(core, (slot, id, step), &path, &event).await);
        }
    }
    reply
}

/// Holds the answer of a child against what the agent that started it says of its answers.
fn in_form(core: &Core, agent: &Agent, child: EndedChild) -> EndedChild {
    let result = child.result.and_then(|answer| {
        check_output(agent, &answer, &*core.ports.schemas)?;
        Ok(answer)
    });
    EndedChild { result, ..child }
}

async fn look_up_events(
    core: &Arc<Core>,
    (slot, id, step): (SlotKey, ExecutionId, StepAddress),
    path: &str,
    event: &AwaitedEvent,
) -> Option<Signals> {
    let received = core.call_again("event.received", || {
        let (events, event, path) = (Arc::clone(&core.ports.events), event.clone(), path.to_owned());
        async move { events.received(&event.name, event.since, (id, &path)).await }
    });
    let events = found(received.await);
    let last_at = events.last()?.received_at;
    Some(Signals { slot, step, payloads: events.into_iter().map(|event| event.payload).collect(), last_at })
}

/// What is asked of an execution.
async fn look_up_state(core: &Arc<Core>, id: ExecutionId) -> Option<ExecutionMail> {
    let read = core.call_again("execution.get", || {
        let queries = Arc::clone(&core.ports.queries);
        async move { queries.executions().get(id).await }
    });
    match read.await {
        Ok(Execution { cancel_requested, paused, .. }) => {
            Some(ExecutionMail { id, cancel_requested, is_paused: paused.is_some() })
        }
        Err(error) => {
            tracing::error!(execution.id = %id, error = %Chain(&error), "an execution cannot be read");
            None
        }
    }
}

/// What was found; nothing, if storage refuses to look.
fn found<T>(result: Result<Vec<T>, RepositoryError>) -> Vec<T> {
    result.unwrap_or_else(|error| {
        tracing::error!(error = %Chain(&error), "what executions wait for cannot be read");
        Vec::new()
    })
}
