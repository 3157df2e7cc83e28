//! Work that goes on when its client goes away: a transaction is not to be dropped half-way.

use tracing::Instrument;
use turbocat_application::Result;

use crate::{Problem, refusal::internal};

/// Runs a use case in a task of its own, and awaits it.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, Problem> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => Ok(done?),
        Err(panic) => Err(internal(&panic)),
    }
}
