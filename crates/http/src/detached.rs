//! Work that goes on when its client goes away: a transaction is not to be dropped half-way.

use tracing::Instrument;
use turbocat_application::Result;

use crate::{
    Problem, State,
    refusal::{internal, unavailable},
};

/// How much work there may be that nobody waits for.
const LATER_MAX: usize = 1_000;

/// Runs a use case in a task of its own, and awaits it.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, Problem> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => Ok(done?),
        Err(panic) => Err(internal(&panic)),
    }
}

/// Runs what nobody waits for, because it takes long, or its time would tell something. [`State::settle`] awaits it. It
/// is refused when too much of it is under way, and says nothing of what it is about then either.
pub(crate) fn later(
    state: &State,
    work: impl Future<Output = ()> + Send + 'static,
) -> std::result::Result<(), Problem> {
    if state.background.len() >= LATER_MAX {
        return Err(unavailable());
    }
    state.background.spawn(work.in_current_span());
    Ok(())
}
