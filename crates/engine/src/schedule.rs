//! The scheduler: fires schedules when they are due.
//!
//! Every process has one, and none leads: each reads what is due, decides by the rules of the domain, and has it done
//! where the schedules still stand as they were read. Who comes second does nothing. It sleeps until the next schedule
//! is due; that it learns from what it fired last, and from the claim loop's look, which asks about both.
//!
//! In a burst those who fire together take different slices of what is due, or all but one would decide in vain. All is
//! accepted before it is begun: what a burst starts is nobody's at first, and the claim loop gives way.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{sync::Notify, time::Instant};
use turbocat_domain::{
    execution::TriggerType,
    id::ExecutionId,
    port::{
        ClaimedExecution, Clock, DueRequest, DueSchedule, FireOutcome, Fired, FiredTick, Firing, Result,
        ScheduledExecution,
    },
    schedule::{Tick, Verdict},
};

use crate::{
    backoff::Backoff,
    core::{Chain, pause},
    lease::LeaseEnd,
    life::Life,
    shard::Message,
};

/// How many schedules are looked at and fired at once.
const BATCH: u32 = 1_000;
/// How many ticks are fired at once: a schedule that catches up has many.
const TICKS_MAX: usize = 2_000;
/// Into how many slices a burst is cut.
const SLICES: u32 = 8;
/// The shortest time between two rounds: hints that come in meanwhile are one.
const PAUSE: Duration = Duration::from_millis(100);

/// What the scheduler is told by others.
#[derive(Default)]
pub(crate) struct Timetable {
    changed: Notify,
    /// Something may be due.
    look: AtomicBool,
    /// More is due than is fired at once.
    is_burst: AtomicBool,
    /// When the next schedule is due, as far as is known.
    next_at: Mutex<Option<DateTime<Utc>>>,
}

impl Timetable {
    /// Something may be due now: an execution ended that a tick may wait for.
    pub(crate) fn look(&self) {
        self.look.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether more is due than is fired at once.
    pub(crate) fn is_burst(&self) -> bool {
        self.is_burst.load(Ordering::Acquire)
    }

    /// The next schedule is due then.
    pub(crate) fn set_next(&self, at: Option<DateTime<Utc>>) {
        let mut next_at = self.next_at.lock().unwrap_or_else(PoisonError::into_inner);
        if *next_at != at {
            *next_at = at;
            self.changed.notify_one();
        }
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        *self.next_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fires schedules until the life ends or its executions are handed back.
pub(crate) async fn fire(life: Arc<Life>) {
    let mut backoff = Backoff::default();
    life.timetable.look();
    while wait(&life).await {
        let round = tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => return,
            round = Round::new(&life).run() => round,
        };
        if life.timetable.is_burst.swap(false, Ordering::AcqRel) {
            life.hints.claim();
        }
        match round {
            Ok(next_at) => {
                backoff = Backoff::default();
                life.timetable.set_next(next_at);
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                life.timetable.look();
                pause("schedule.fire", &error, backoff.next()).await;
                // Which executions are this worker's is not known: those that it does not know are handed back.
                life.hints.unsure();
            }
        }
    }
}

/// Sleeps until there is a reason to look. Returns whether the life goes on.
async fn wait(life: &Life) -> bool {
    while life.is_open() && !life.timetable.look.swap(false, Ordering::AcqRel) {
        let next = life.timetable.next();
        if next.is_some_and(|at| at <= life.core.clock.now()) {
            break;
        }
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(Instant::now() + life.core.clock.until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => {}
            () = life.core.draining.cancelled() => {}
            () = life.timetable.changed.notified() => {}
            () = due => {}
        }
    }
    life.is_alive()
}

/// Looks and fires until nothing is due.
struct Round<'a> {
    life: &'a Arc<Life>,
    /// Into how many slices all is cut, and which is next.
    slice: (u32, u32),
    /// How many slices in a row had nothing.
    empty: u32,
    /// When the next of those that were fired is due.
    next_at: Option<DateTime<Utc>>,
}

impl<'a> Round<'a> {
    fn new(life: &'a Arc<Life>) -> Self {
        Self { life, slice: (1, 0), empty: 0, next_at: None }
    }

    /// Returns when the next schedule is due.
    async fn run(mut self) -> Result<Option<DateTime<Utc>>> {
        while self.life.is_open() {
            let schedules = Arc::clone(&self.life.core.ports.schedules);
            let request = DueRequest { limit: BATCH, slice: self.slice };
            let due = self.life.core.call(async move { schedules.due(request).await }).await?;
            let found = due.schedules.len();
            if is_full(found) {
                self.life.timetable.is_burst.store(true, Ordering::Release);
            }
            let moved = self.fire_all(due.schedules, due.now).await?;
            if self.slice.0 == 1 && !is_full(found) {
                // What somebody else had in hands is due still, or soon again.
                let soon = due.now + TimeDelta::milliseconds(250);
                let left = (moved < found).then_some(soon);
                return Ok([due.next_at, self.next_at, left].into_iter().flatten().min());
            }
            self.turn(found, moved);
        }
        Ok(self.next_at)
    }

    /// Takes the next slice; all at once again, when there is nothing in any.
    fn turn(&mut self, found: usize, moved: usize) {
        self.empty = if found == 0 { self.empty + 1 } else { 0 };
        self.slice = match self.slice {
            _ if self.empty >= SLICES => (1, 0),
            (1, _) => (SLICES, self.random()),
            (slices, _) if found > 0 && moved == 0 => (slices, self.random()),
            (slices, slice) => (slices, (slice + 1) % slices),
        };
    }

    fn random(&self) -> u32 {
        let last = self.life.core.ports.ids.next().as_bytes().last().copied().unwrap_or_default();
        u32::from(last) % SLICES
    }

    /// Decides and fires. Returns how many schedules moved on.
    async fn fire_all(&mut self, due: Vec<DueSchedule>, now: DateTime<Utc>) -> Result<usize> {
        let mut moved = 0;
        let mut rest = due.into_iter().map(|due| self.decide(due, now)).collect::<Vec<_>>().into_iter().peekable();
        while rest.peek().is_some() {
            let (mut batch, mut ticks) = (Vec::new(), 0);
            while let Some(next) =
                rest.next_if(|(_, firing)| batch.is_empty() || ticks + firing.ticks.len() <= TICKS_MAX)
            {
                ticks += next.1.ticks.len();
                batch.push(next);
            }
            moved += self.fire_batch(batch).await?;
        }
        Ok(moved)
    }

    fn decide(&mut self, due: DueSchedule, now: DateTime<Utc>) -> (DueSchedule, Firing) {
        let schedule = &due.workflow.schedule;
        let decision = schedule.decide(due.workflow_id, (due.state, due.is_busy), now);
        let missed = decision.ticks.iter().filter(|tick| tick.verdict == Verdict::Missed).count();
        if missed > 0 {
            tracing::info!(workflow.id = %due.workflow_id, missed, "ticks were missed");
        }
        let next = decision.state.next_at;
        let jitter_ms = next.map_or(0, |tick| schedule.jitter_ms(due.workflow_id, tick));
        let next_at = next.and_then(|tick| tick.checked_add_signed(TimeDelta::milliseconds(i64::from(jitter_ms))));
        self.next_at = self.next_at.into_iter().chain(next_at).min();
        let firing = Firing {
            workflow_id: due.workflow_id,
            before: due.state,
            after: decision.state,
            jitter_ms,
            ticks: decision.ticks.into_iter().map(|tick| self.tick(&due, tick)).collect(),
        };
        (due, firing)
    }

    fn tick(&self, due: &DueSchedule, tick: Tick) -> FiredTick {
        let execution = (tick.verdict == Verdict::Started).then(|| ScheduledExecution {
            id: ExecutionId::from_uuid(self.life.core.ports.ids.next()),
            trigger_data: due.workflow.schedule.trigger_data(tick.at),
            is_owned: false,
        });
        FiredTick { scheduled_for: tick.at, verdict: tick.verdict, execution }
    }

    /// Fires together; one by one, if that is refused together.
    async fn fire_batch(&self, batch: Vec<(DueSchedule, Firing)>) -> Result<usize> {
        let (due, firings): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.fire_once(&due, firings.clone()).await {
            Err(error) if !error.is_transient() => {
                let mut moved = 0;
                for (due, firing) in due.iter().zip(firings) {
                    let id = firing.workflow_id;
                    match self.fire_once(std::slice::from_ref(due), vec![firing]).await {
                        Ok(one) => moved += one,
                        Err(error) if error.is_transient() => return Err(error),
                        Err(error) => {
                            tracing::error!(workflow.id = %id, error = %Chain(&error), "a schedule cannot be fired");
                        }
                    }
                }
                Ok(moved)
            }
            result => result,
        }
    }

    /// Fires; what there are places for is owned by this worker, and taken into memory at once. In a burst it is nobody's:
    /// to run it now would keep what is due from being accepted.
    async fn fire_once(&self, due: &[DueSchedule], mut firings: Vec<Firing>) -> Result<usize> {
        let life = self.life;
        let mut executions: Vec<&mut ScheduledExecution> = firings
            .iter_mut()
            .flat_map(|firing| &mut firing.ticks)
            .filter_map(|tick| tick.execution.as_mut())
            .collect();
        let wanted = executions.len();
        let places = if life.timetable.is_burst() { 0 } else { life.reserve(wanted) };
        executions.iter_mut().take(places).for_each(|execution| execution.is_owned = true);
        let firings: Arc<[Firing]> = firings.into();
        // What is on its way into memory is not to be taken for something that nobody knows of.
        let _on_its_way = life.hints.intake.read().await;
        let (schedules, worker, sent) =
            (Arc::clone(&life.core.ports.schedules), life.lease.worker, Arc::clone(&firings));
        let outcome = life.core.call(async move { schedules.fire(worker, &sent).await }).await;
        let taken = match &outcome {
            Ok(FireOutcome::Fired(fired)) => take_on(life, (due, &firings), fired),
            Ok(FireOutcome::Fenced) | Err(_) => 0,
        };
        life.release(places - taken);
        match outcome? {
            FireOutcome::Fenced => {
                life.lease.end(LeaseEnd::Fenced);
                Ok(0)
            }
            FireOutcome::Fired(fired) => {
                if taken < fired.executions.len() && !life.timetable.is_burst() {
                    life.hints.claim();
                }
                tracing::debug!(fired.schedules, executions = fired.executions.len(), wanted, taken, "schedules fired");
                Ok(usize::try_from(fired.schedules).unwrap_or(usize::MAX))
            }
        }
    }
}

/// Whether a look has found as many as it may.
fn is_full(found: usize) -> bool {
    found >= usize::try_from(BATCH).unwrap_or(usize::MAX)
}

/// Takes the executions into memory that this worker owns. Returns how many.
fn take_on(life: &Life, (due, firings): (&[DueSchedule], &[Firing]), fired: &Fired) -> usize {
    let inserted: HashSet<ExecutionId> = fired.executions.iter().copied().collect();
    let mut taken = 0;
    for (due, firing) in due.iter().zip(firings) {
        let executions = firing.ticks.iter().filter_map(|tick| tick.execution.as_ref());
        for new in executions.filter(|new| new.is_owned && inserted.contains(&new.id)) {
            // A closed inbox means that this life is over; the next owner learns of them from the database.
            let _closed = life.shard.send(Message::Born(Box::new(born(due, new, fired.at))));
            taken += 1;
        }
    }
    taken
}

/// An execution as it is claimed at its birth.
fn born(due: &DueSchedule, new: &ScheduledExecution, started_at: DateTime<Utc>) -> ClaimedExecution {
    let timeout = i64::try_from(due.workflow.timeout_ms).ok().and_then(TimeDelta::try_milliseconds);
    ClaimedExecution {
        id: new.id,
        workflow_id: due.workflow_id,
        user_id: due.user_id,
        trigger_type: TriggerType::Scheduled,
        trigger_data: new.trigger_data.clone(),
        input: serde_json::json!({}),
        started_at,
        deadline_at: timeout
            .and_then(|timeout| started_at.checked_add_signed(timeout))
            .unwrap_or(DateTime::<Utc>::MAX_UTC),
        cancel_requested: false,
        is_paused: false,
        takeovers: 0,
        depth: 0,
        parent: None,
        records: Vec::new(),
    }
}
