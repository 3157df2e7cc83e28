//! Ctrl-C and SIGTERM.

use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell says of a process that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// A token that the first signal cancels. The second one ends the process at once: what was not finished is taken
/// over by whoever comes next.
///
/// # Errors
///
/// If the signals cannot be listened to.
pub(crate) fn shutdown_token() -> anyhow::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_first {
                cancelled.cancel();
            }
        }
        process::exit(INTERRUPTED.into());
    });
    Ok(token)
}
