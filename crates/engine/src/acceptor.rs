//! Accepting executions: claimed at birth where there is room, and batched over those who accept at the same time.
//!
//! One task inserts; the calls that come in while an insert is under way are the next insert. Each caller gets the
//! outcome of its own executions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};
use turbocat_domain::{
    id::WorkerId,
    port::{ClaimedExecution, NewExecution, RepositoryError, Result},
};
use turbocat_planted::{Bug, is_planted};

use crate::{
    backoff::Backoff,
    core::{Chain, Core, pause},
    life::Life,
    shard::Message,
};

/// Executions of one caller, and who waits for the outcome.
pub(crate) struct Acceptance {
    pub(crate) executions: Vec<NewExecution>,
    pub(crate) outcome: oneshot::Sender<Result<()>>,
}

impl Acceptance {
    fn tell(self, outcome: Result<()>) {
        // Who asked may be gone.
        let _unheard = self.outcome.send(outcome);
    }
}

/// Inserts what callers bring until the engine is gone.
pub(crate) async fn accept(core: Arc<Core>, mut calls: UnboundedReceiver<Acceptance>) {
    const CALLS_AT_ONCE: usize = 512;
    const EXECUTIONS_AT_ONCE: usize = 2_000;
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = core.killed.cancelled() => return,
            count = calls.recv_many(&mut waiting, CALLS_AT_ONCE) => if count == 0 { return },
        }
        let mut rest = std::mem::take(&mut waiting).into_iter().peekable();
        while rest.peek().is_some() {
            let mut size = 0;
            let mut group = Vec::new();
            while let Some(call) =
                rest.next_if(|call| group.is_empty() || size + call.executions.len() <= EXECUTIONS_AT_ONCE)
            {
                size += call.executions.len();
                group.push(call);
            }
            accept_group(&core, group).await;
        }
    }
}

/// Inserts the executions of several callers at once; one by one, if they are refused together.
async fn accept_group(core: &Arc<Core>, group: Vec<Acceptance>) {
    let life = core.life().filter(|life| life.is_open());
    let (owned, unowned): (Vec<_>, Vec<_>) = group.into_iter().partition(|call| {
        let wanted = call.executions.len();
        let reserved = life.as_ref().map_or(0, |life| life.reserve(wanted));
        if reserved < wanted
            && let Some(life) = &life
        {
            life.release(reserved);
        }
        reserved == wanted
    });
    for (calls, life) in [(owned, life.clone()), (unowned, None)] {
        let executions = calls.iter().flat_map(|call| call.executions.iter().cloned()).collect();
        match insert(core, life.as_ref(), executions).await {
            Ok(()) => calls.into_iter().for_each(|call| call.tell(Ok(()))),
            Err(error) if error.is_transient() || calls.len() == 1 => fail(calls, error),
            Err(_) => {
                for call in calls {
                    let outcome = insert(core, None, call.executions.clone()).await;
                    call.tell(outcome);
                }
            }
        }
    }
}

/// Tells all callers of the same failure: the first of it, the others of its kind.
fn fail(calls: Vec<Acceptance>, error: RepositoryError) {
    let (transient, text) = (error.is_transient(), Chain(&error).to_string());
    let mut first = Some(error);
    for call in calls {
        let again = || RepositoryError::Backend { transient, source: text.clone().into() };
        call.tell(Err(first.take().unwrap_or_else(again)));
    }
}

/// Inserts executions; those of a life are taken into memory at once.
async fn insert(core: &Arc<Core>, life: Option<&Arc<Life>>, executions: Vec<NewExecution>) -> Result<()> {
    if executions.is_empty() {
        return Ok(());
    }
    let executions: Arc<[NewExecution]> = executions.into();
    let Some(life) = life else {
        insert_once(core, &executions, None).await?;
        if let Some(life) = core.life() {
            life.hints.claim();
        }
        return Ok(());
    };
    let places = executions.len();
    // What is on its way into memory is not to be taken for something that nobody knows of.
    let _on_its_way = life.hints.intake.read().await;
    let inserted = insert_owned(core, life, &executions).await;
    match inserted {
        Ok(Some(started_at)) => {
            for new in executions.iter() {
                // A closed inbox means that this life is over; the next owner learns of them from the database.
                let _closed = life.shard.send(Message::Born(Box::new(born(new, started_at))));
            }
            Ok(())
        }
        Ok(None) => {
            life.release(places);
            life.hints.claim();
            Ok(())
        }
        Err(error) => {
            life.release(places);
            Err(error)
        }
    }
}

/// Inserts executions that this worker owns at once. Returns when they started; `None` if they have no owner.
///
/// An insert whose answer was lost is made again, for as long as the lease is trusted: it must be known whether the
/// worker owns them. After that the next owner learns of them from the database.
async fn insert_owned(
    core: &Arc<Core>,
    life: &Arc<Life>,
    executions: &Arc<[NewExecution]>,
) -> Result<Option<DateTime<Utc>>> {
    let mut backoff = Backoff::default();
    loop {
        match insert_once(core, executions, Some(life.lease.worker)).await {
            Ok((at, is_owned)) => return Ok(is_owned.then_some(at)),
            Err(_) if is_planted(Bug::AcceptedInDoubt) => return Ok(None),
            Err(error) if error.is_transient() && life.lease.is_trusted() && !core.killed.is_cancelled() => {
                pause("execution.insert", &error, backoff.next()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn insert_once(
    core: &Arc<Core>,
    executions: &Arc<[NewExecution]>,
    owner: Option<WorkerId>,
) -> Result<(DateTime<Utc>, bool)> {
    let (queue, executions) = (Arc::clone(&core.ports.queue), Arc::clone(executions));
    core.call(async move { queue.insert(&executions, owner).await }).await
}

/// An execution as it is claimed at its birth.
fn born(new: &NewExecution, started_at: DateTime<Utc>) -> ClaimedExecution {
    let timeout = i64::try_from(new.timeout_ms).ok().and_then(chrono::TimeDelta::try_milliseconds);
    ClaimedExecution {
        id: new.id,
        workflow_id: new.workflow_id,
        user_id: new.user_id,
        trigger_type: new.trigger_type,
        trigger_data: new.trigger_data.clone(),
        input: new.input.clone(),
        started_at,
        deadline_at: timeout
            .and_then(|timeout| started_at.checked_add_signed(timeout))
            .unwrap_or(DateTime::<Utc>::MAX_UTC),
        cancel_requested: false,
        is_paused: false,
        takeovers: 0,
        depth: new.depth,
        parent: new.parent.clone(),
        records: Vec::new(),
    }
}
