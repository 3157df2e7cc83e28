//! The shard: one task that holds all runs of a worker and does what they want done.
//!
//! It is told of everything by messages: no lock and no task per run. What an agent answered is interpreted,
//! recorded, applied and handed to the journal's writer, with the records (and the end) that follow from it; when the
//! writer says that it is durable, what else follows is done. A run in memory may so be ahead of storage by what is in
//! flight, and nobody outside has seen anything of that. Agents, look-ups and commits run in other tasks; the shard
//! itself never waits for storage.
//!
//! # Invariants
//!
//! 1. Nothing that follows from a fact is done, but stored with it, before it is durable; the facts of a run are applied
//!    in the order of their records.
//! 2. The end of an execution is committed with or after all its records.
//! 3. While mail is being taken nothing is parked, and while something is being parked no mail is taken: news of an
//!    execution that leaves memory is never taken from it.
//! 4. While executions are being claimed nothing is parked, and the other way round: a commit that is made again,
//!    because its outcome was not known, parks nothing that was claimed since.
//! 5. Nothing is started under a lease that is not trusted.
//! 6. The end of an execution is committed after the children that it leaves were asked to be cancelled.

mod adopt;
mod attempts;
mod commands;
mod commit;
mod end;
mod gate;
mod lane;
mod mail;
mod message;
mod park;
mod pause;
mod slab;
mod slot;
mod timers;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    time::Instant,
};
use turbocat_domain::{
    id::{AgentId, ExecutionId, WorkflowId},
    port::{ClaimedExecution, Clock, ExecutionMail, JournalBatch, ParkedExecution},
    run::StepAddress,
};

use self::{
    attempts::Young,
    gate::Gate,
    lane::Lanes,
    mail::{Mailbox, Reads},
    slab::Slab,
    slot::{Active, Short, Slot},
    timers::{Timer, Timers},
};
pub(crate) use self::{
    message::{Message, StartOfChild},
    slab::SlotKey,
};
use crate::{lease::LeaseEnd, life::Life};

/// All runs of a worker.
pub(crate) struct Shard {
    life: Arc<Life>,
    inbox: UnboundedReceiver<Message>,
    slots: Slab<Slot>,
    index: HashMap<ExecutionId, SlotKey>,
    /// Executions whose workflow is being loaded.
    arrivals: HashMap<WorkflowId, Vec<ClaimedExecution>>,
    gates: HashMap<AgentId, Gate>,
    /// When permits are asked for next without a reason.
    permits_asked_at: Option<Instant>,
    /// Steps whose agent is being loaded.
    unloaded: HashMap<AgentId, Vec<(SlotKey, StepAddress)>>,
    timers: Timers,
    /// Attempts that have no record yet, the oldest first.
    young: VecDeque<Young>,
    /// What is to be committed, and being committed.
    lanes: Lanes,
    /// What is to be parked.
    parks: BTreeMap<SlotKey, ParkedExecution>,
    mailbox: Mailbox,
    reads: Reads,
    /// What was asked of executions before they arrived.
    early: BTreeMap<ExecutionId, ExecutionMail>,
    /// Executions that cannot be run, until their end is durable.
    refusing: BTreeSet<ExecutionId>,
    /// How many agents run.
    running: usize,
    draining: bool,
    /// The time of what is being handled.
    now: DateTime<Utc>,
}

impl Shard {
    pub(crate) fn new(
        life: Arc<Life>,
        inbox: UnboundedReceiver<Message>,
        journals: Vec<UnboundedSender<JournalBatch>>,
    ) -> Self {
        Self {
            now: life.core.clock.now(),
            life,
            inbox,
            slots: Slab::default(),
            index: HashMap::new(),
            arrivals: HashMap::new(),
            gates: HashMap::new(),
            permits_asked_at: None,
            unloaded: HashMap::new(),
            timers: Timers::default(),
            young: VecDeque::new(),
            lanes: Lanes::new(journals),
            parks: BTreeMap::new(),
            mailbox: Mailbox::default(),
            reads: Reads::default(),
            early: BTreeMap::new(),
            refusing: BTreeSet::new(),
            running: 0,
            draining: false,
        }
    }

    /// Runs until the lease ends, or all is handed back. What runs then is stopped.
    pub(crate) async fn run(mut self) {
        const MESSAGES_AT_ONCE: usize = 1_024;
        let life = Arc::clone(&self.life);
        let mut messages = Vec::with_capacity(MESSAGES_AT_ONCE);
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = life.lease.ended.cancelled() => return,
                () = life.core.draining.cancelled(), if !self.draining => self.draining = true,
                _ = self.inbox.recv_many(&mut messages, MESSAGES_AT_ONCE) => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
            if !life.lease.is_trusted() {
                return life.lease.end(LeaseEnd::Lapsed);
            }
            self.now = life.core.clock.now();
            for message in messages.drain(..) {
                self.handle(message);
            }
            self.fire_timers();
            self.show_what_runs();
            self.take_mail();
            self.look_at_permits();
            self.await_answers().await;
            self.flush();
            if self.draining && self.is_drained() {
                return;
            }
        }
    }

    /// Lets agents answer that need nothing but their turn: what they answer shares the commit of what is there already.
    async fn await_answers(&mut self) {
        if self.running == 0 || !self.lanes.can_commit() {
            return;
        }
        tokio::task::yield_now().await;
        while let Ok(message) = self.inbox.try_recv() {
            self.handle(message);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Adopt(claimed) => self.adopt(claimed),
            Message::Born(born) => self.adopt_born(born),
            Message::WorkflowLoaded(id, result) => self.workflow_loaded(id, &result),
            Message::AgentLoaded(id, result) => self.agent_loaded(id, result),
            Message::Permitted(id, answer) => self.permitted(id, answer),
            Message::Ended(ended) => self.attempt_ended(ended),
            Message::ChildStarted(started) => self.child_started(started),
            Message::MayStartChild(asked) => self.may_start_child(asked),
            Message::ChildIsThere(key) => self.child_is_there(key),
            Message::ChildrenCancelled(key) => self.children_cancelled(key),
            Message::Followed(key) => self.followed(key),
            Message::Refused(finished) => self.end_refused(finished),
            Message::MayPark => {}
            Message::Mail => self.mailbox.is_wanted = true,
            Message::MailTaken(result) => self.mail_taken(result),
            Message::Read(reply) => self.read(reply),
            Message::Committed(committed) => self.committed(&committed),
            Message::Workers(count) => self.lanes.share_with(usize::try_from(count).unwrap_or(usize::MAX)),
            Message::List(answer) => {
                // Who asked may be gone.
                let _unheard = answer.send(self.known());
            }
        }
    }

    /// All executions that this worker knows to own, in their order.
    fn known(&self) -> Vec<ExecutionId> {
        let arriving = self.arrivals.values().flatten().map(|claimed| claimed.id);
        let held = self.index.keys().chain(&self.refusing).copied();
        let mut known: Vec<_> = held.chain(arriving).collect();
        known.sort_unstable();
        known
    }

    /// When there is something to do without a message.
    fn wake_at(&self) -> Instant {
        const AT_THE_LATEST: Duration = Duration::from_hours(1);
        let now = Instant::now();
        let timer = self.timers.next_at().map(|at| now + self.life.core.clock.until(at));
        let young = self.young.front().map(|young| young.since + self.life.core.options.visible_after);
        let mail = (!self.index.is_empty() && self.mailbox.sleeps()).then_some(self.mailbox.next_at);
        let drain = self.life.core.drain_by().filter(|_| self.draining && self.running > 0);
        [timer, young, mail, drain, self.permits_asked_at].into_iter().flatten().min().unwrap_or(now + AT_THE_LATEST)
    }

    fn fire_timers(&mut self) {
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Deadline(key) => self.deadline_passed(key),
                Timer::Step(key, step) => self.step_is_due(key, step),
                Timer::Linger(key) => self.lingered(key),
                Timer::Recheck(key) => self.recheck(key),
            }
        }
    }

    /// Whether nothing is left to wait for. Past the time that was given, what still runs is stopped.
    fn is_drained(&mut self) -> bool {
        if self.running > 0 && self.life.core.drain_by().is_some_and(|by| Instant::now() >= by) {
            for key in self.slots.keys() {
                self.take_all_active(key);
            }
        }
        self.running == 0 && self.lanes.are_empty()
    }

    /// Forgets an execution that was never run here and gives its place back.
    fn is_refused(&mut self, id: ExecutionId) {
        self.refusing.remove(&id);
        self.life.release(1);
    }

    /// Forgets an execution and gives its place back.
    fn remove_slot(&mut self, key: SlotKey) -> Option<Slot> {
        self.take_all_active(key);
        let slot = self.slots.remove(key)?;
        self.timers.unset(slot.deadline_at, Timer::Deadline(key));
        if self.index.get(&slot.id) == Some(&key) {
            self.index.remove(&slot.id);
        }
        self.parks.remove(&key);
        self.life.release(1);
        Some(slot)
    }

    fn take_all_active(&mut self, key: SlotKey) {
        while let Some(step) = self.slots.get(key).and_then(|slot| slot.active.keys().next().copied()) {
            self.take_active(key, step);
        }
    }

    /// Notes what of a step is going on.
    fn set_active(&mut self, key: SlotKey, step: StepAddress, active: Active) {
        match &active {
            Active::Delayed(start) | Active::Short(Short { start, .. }) => {
                self.timers.set(start.due, Timer::Step(key, step));
            }
            Active::Waiting(waiting) => {
                if let Some(until) = waiting.until {
                    self.timers.set(until, Timer::Step(key, step));
                }
            }
            Active::Running(_) => self.running += 1,
            Active::Loading(_) | Active::Queued(_) | Active::Child(_) | Active::Held(_) => {}
        }
        if let Some(slot) = self.slots.get_mut(key) {
            // Whether an agent has to be waited for shows when storage has said how often it may run here.
            let is_news = !matches!(active, Active::Queued(_));
            slot.set_active(step, active);
            if is_news {
                self.show_wait(key, step);
            }
        }
    }

    /// Shows what a step waits for, to those who look on.
    fn show_wait(&self, key: SlotKey, step: StepAddress) {
        if let Some(slot) = self.slots.get(key) {
            self.life.core.watchers.show_wait(slot.id, || slot.wait_of(step, self.now));
        }
    }

    /// Ends what of a step is going on: an agent is stopped, a timer is taken back.
    fn take_active(&mut self, key: SlotKey, step: StepAddress) -> Option<Active> {
        let active = self.slots.get_mut(key)?.take_active(step)?;
        match &active {
            Active::Delayed(start) | Active::Short(Short { start, .. }) => {
                self.timers.unset(start.due, Timer::Step(key, step));
            }
            Active::Waiting(waiting) => {
                if let Some(until) = waiting.until {
                    self.timers.unset(until, Timer::Step(key, step));
                }
            }
            Active::Running(running) => {
                let agent_id = running.agent_id;
                self.running -= 1;
                self.leave_gate(agent_id);
            }
            Active::Loading(_) | Active::Queued(_) | Active::Child(_) | Active::Held(_) => {}
        }
        Some(active)
    }
}
