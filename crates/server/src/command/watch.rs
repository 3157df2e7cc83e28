//! An execution of a server, shown as it goes on.

use std::pin::pin;

use futures_util::StreamExt;
use tokio::time::{self, MissedTickBehavior};
use turbocat_client::{Client, Execution, ExecutionEvent, Step};
use turbocat_domain::id::ExecutionId;
use turbocat_engine::StepProgress;

use super::run::TICK;
use crate::view::View;

/// Shows the steps of an execution until it has ended. A server that goes away is waited for, for a while: the execution
/// goes on when it is back.
///
/// # Errors
///
/// If the server stays away, or the key may not look any more.
pub(super) async fn watch(client: &Client, id: ExecutionId, view: &mut dyn View) -> anyhow::Result<Execution> {
    let mut tick = time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut events = pin!(client.follow(id));
    loop {
        tokio::select! {
            event = events.next() => match event.transpose()?.map(|followed| followed.event) {
                Some(ExecutionEvent::Step(step)) => view.step(&progress(id, step)),
                Some(_) => {}
                None => break,
            },
            _ = tick.tick() => view.tick(),
        }
    }
    Ok(client.execution(id).await?)
}

fn progress(execution_id: ExecutionId, step: Step) -> StepProgress {
    let took = step.ended_at.map(|ended_at| (ended_at - step.started_at).num_milliseconds());
    StepProgress {
        execution_id,
        error: step.failure(),
        path: step.path,
        attempt: step.attempt,
        status: step.status,
        duration_ms: took.map(|ms| u64::try_from(ms).unwrap_or_default()),
    }
}
