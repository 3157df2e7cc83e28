//! One run in memory, and what of it is going on.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::task::AbortHandle;
use turbocat_domain::{
    agent::Agent,
    execution::ExecutionStatus,
    id::{AgentId, ExecutionId, UserId, WorkflowId},
    plan::Action,
    port::{ClaimedExecution, FinishedExecution},
    run::{AwaitedEvent, Run, StartStep, StepAddress},
};

use super::pause::Held;
use crate::{
    follow_up,
    progress::{Awaited, StepWait},
};

/// An execution that this worker owns.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all of them can hold at once")]
pub(super) struct Slot {
    pub(super) id: ExecutionId,
    pub(super) workflow_id: WorkflowId,
    pub(super) user_id: UserId,
    /// Who waits for its end.
    pub(super) parent: Option<(ExecutionId, String)>,
    pub(super) depth: u16,
    pub(super) started_at: DateTime<Utc>,
    pub(super) deadline_at: DateTime<Utc>,
    pub(super) run: Run,
    /// Whether it begins nothing.
    pub(super) is_paused: bool,
    /// What is started or waited for.
    pub(super) active: BTreeMap<StepAddress, Active>,
    /// How many of them keep it in memory: all but waits, delays and children that are known to be there.
    busy: usize,
    /// How many of them wait for events.
    event_waits: usize,
    /// When it was last looked up which events have arrived.
    pub(super) events_read_at: Option<DateTime<Utc>>,
    /// Whether a timer is set to look again.
    pub(super) is_rechecked: bool,
    /// Facts that it has taken in and that are not known to be durable.
    pub(super) unacknowledged: u32,
    /// How many of them something is to be done after.
    pub(super) held: u32,
    /// Look-ups of what it waits for that are under way.
    pub(super) reading: u32,
    /// Children of it that have ended.
    pub(super) children_ended: usize,
    /// Children that it has started and does not wait for.
    pub(super) children_detached: usize,
    /// Children that its attempts have started.
    pub(super) children_of_attempts: usize,
    /// Children of it whose start is under way.
    pub(super) children_starting: usize,
    /// Whether it may have children for whose answers nobody waits, and that were not asked to be cancelled.
    pub(super) leaves_children: bool,
    /// Whether its end is a failure that is to be followed by an execution, which was not started yet.
    pub(super) is_followed: bool,
    /// Its end, held back until these are.
    pub(super) end: Option<Box<FinishedExecution>>,
    pub(super) phase: Phase,
}

/// Where an execution is in its stay with this worker.
pub(super) enum Phase {
    /// It runs.
    Running,
    /// It only waits for children, and stays a moment for them to end.
    Lingering,
    /// Its being parked is on its way to storage.
    Parking,
    /// Its end is on its way to storage.
    Finishing {
        /// Whether storage has refused something of it before.
        refused: bool,
    },
}

/// What of a step is going on.
pub(super) enum Active {
    /// It waits for the time of its next attempt.
    Delayed(StartStep),
    /// It waits for a budget.
    Short(Short),
    /// Its agent is being loaded.
    Loading(StartStep),
    /// Its agent runs as often as it may.
    Queued(StartStep),
    /// Its agent runs.
    Running(Running),
    /// A child execution runs.
    Child(Child),
    /// It waits for a time or an event.
    Waiting(Waiting),
    /// It is held back: the run is paused.
    Held(Held),
}

/// A running attempt; dropping it stops the attempt.
pub(super) struct Running {
    pub(super) attempt: u16,
    pub(super) agent_id: AgentId,
    pub(super) task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An attempt that waits for a budget.
pub(super) struct Short {
    /// What starts it again.
    pub(super) start: StartStep,
    /// Which budget, and what it is short of.
    pub(super) why: String,
}

/// A child execution.
pub(super) struct Child {
    pub(super) attempt: u16,
    /// As it is stored with the child.
    pub(super) path: String,
    pub(super) id: ExecutionId,
    /// Whether it is known to be there.
    pub(super) is_started: bool,
    /// What started it, whose form its answer must have.
    pub(super) agent: Arc<Agent>,
}

/// A wait.
pub(super) struct Waiting {
    pub(super) path: String,
    pub(super) until: Option<DateTime<Utc>>,
    pub(super) event: Option<AwaitedEvent>,
    /// When the last event was received that did not end it.
    pub(super) seen_until: Option<DateTime<Utc>>,
}

impl Waiting {
    fn awaited(&self) -> Awaited {
        match &self.event {
            None => Awaited::Time,
            Some(event) if event.name == AwaitedEvent::APPROVAL => Awaited::Approval,
            Some(event) => Awaited::Event(event.name.clone()),
        }
    }
}

impl Active {
    /// The attempt that is going on; 1 for a wait.
    pub(super) const fn attempt(&self) -> u16 {
        match self {
            Self::Delayed(start) | Self::Loading(start) | Self::Queued(start) | Self::Held(Held::Start(start)) => {
                start.attempt
            }
            Self::Short(short) => short.start.attempt,
            Self::Running(running) => running.attempt,
            Self::Child(child) => child.attempt,
            Self::Waiting(_) | Self::Held(Held::Wait(_)) => 1,
        }
    }
}

impl Active {
    const fn keeps_in_memory(&self) -> bool {
        match self {
            Self::Loading(_) | Self::Queued(_) | Self::Running(_) => true,
            Self::Child(child) => !child.is_started,
            Self::Delayed(_) | Self::Short(_) | Self::Waiting(_) | Self::Held(_) => false,
        }
    }

    const fn waits_for_event(&self) -> bool {
        matches!(self, Self::Waiting(Waiting { event: Some(_), .. }))
    }
}

impl Slot {
    pub(super) fn new(claimed: &ClaimedExecution, run: Run) -> Self {
        Self {
            id: claimed.id,
            workflow_id: claimed.workflow_id,
            user_id: claimed.user_id,
            parent: claimed.awaited_by(),
            depth: claimed.depth,
            started_at: claimed.started_at,
            deadline_at: claimed.deadline_at,
            run,
            is_paused: claimed.is_paused,
            active: BTreeMap::new(),
            busy: 0,
            event_waits: 0,
            events_read_at: None,
            is_rechecked: false,
            unacknowledged: 0,
            held: 0,
            reading: 0,
            children_ended: 0,
            children_detached: 0,
            children_of_attempts: 0,
            children_starting: 0,
            leaves_children: false,
            is_followed: false,
            end: None,
            phase: Phase::Running,
        }
    }

    /// Whether an end of this status is followed by an execution.
    pub(super) fn would_be_followed(&self, status: ExecutionStatus) -> bool {
        follow_up::is_wanted(self.run.plan().settings(), status, &self.run.context().trigger_data)
    }

    /// Notes what of a step is going on.
    pub(super) fn set_active(&mut self, step: StepAddress, active: Active) {
        self.take_active(step);
        self.busy += usize::from(active.keeps_in_memory());
        self.event_waits += usize::from(active.waits_for_event());
        self.active.insert(step, active);
    }

    /// Ends what of a step is going on.
    pub(super) fn take_active(&mut self, step: StepAddress) -> Option<Active> {
        let active = self.active.remove(&step)?;
        self.busy -= usize::from(active.keeps_in_memory());
        self.event_waits -= usize::from(active.waits_for_event());
        Some(active)
    }

    /// What a step waits for, if it does.
    pub(super) fn wait_of(&self, step: StepAddress, now: DateTime<Utc>) -> Option<StepWait> {
        let active = self.active.get(&step)?;
        let (path, what, end) = match active {
            Active::Delayed(start) => (&start.path, Awaited::Retry, Some(start.due)),
            Active::Short(short) => (&short.start.path, Awaited::Budget(short.why.clone()), None),
            Active::Queued(start) => (&start.path, Awaited::Agent, None),
            Active::Waiting(waiting) => (&waiting.path, waiting.awaited(), waiting.until),
            Active::Held(Held::Start(StartStep { path, .. }) | Held::Wait(Waiting { path, .. })) => {
                (path, Awaited::Resume, None)
            }
            Active::Loading(_) | Active::Running(_) | Active::Child(_) => return None,
        };
        let attempts_max = match &self.run.plan().step(step.step).action {
            Action::Agent(agent) => agent.retry.retries.saturating_add(1),
            _ => 1,
        };
        let left_ms = end.map(|end| u64::try_from((end - now).num_milliseconds()).unwrap_or_default());
        Some(StepWait { path: path.clone(), attempt: active.attempt(), attempts_max, what, ends_in_ms: left_ms })
    }

    /// Whether only waits, delays, children and what is held back are going on.
    pub(super) fn only_waits(&self) -> bool {
        self.busy == 0 && self.unacknowledged == 0 && self.reading == 0 && !self.active.is_empty()
    }

    /// Whether it waits for events.
    pub(super) const fn waits_for_events(&self) -> bool {
        self.event_waits > 0
    }

    /// Whether its facts are still taken in.
    pub(super) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Lingering)
    }

    /// Its children that are going on.
    pub(super) fn children(&self) -> impl Iterator<Item = &Child> {
        self.active.values().filter_map(|active| match active {
            Active::Child(child) => Some(child),
            _ => None,
        })
    }

    /// Its waits for events.
    pub(super) fn event_waits(&self) -> impl Iterator<Item = (StepAddress, &Waiting, &AwaitedEvent)> {
        self.active.iter().filter_map(|(step, active)| match active {
            Active::Waiting(waiting) => waiting.event.as_ref().map(|event| (*step, waiting, event)),
            _ => None,
        })
    }
}
