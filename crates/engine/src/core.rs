//! What outlives a worker's lease: the ports, the clock, the caches, and which life is going on.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turbocat_domain::port::{RepositoryError, Result};

use crate::{
    backoff::Backoff,
    clock::EngineClock,
    figures::Tally,
    life::Life,
    logs::LogQueue,
    options::{EngineOptions, Ports},
    plans::Plans,
    progress::Watchers,
};

/// The parts that all loops of an engine share.
pub(crate) struct Core {
    pub(crate) options: EngineOptions,
    pub(crate) ports: Ports,
    pub(crate) clock: Arc<EngineClock>,
    pub(crate) plans: Plans,
    pub(crate) watchers: Watchers,
    pub(crate) tally: Tally,
    pub(crate) logs: LogQueue,
    /// All tasks; calls to storage among them run to their end, whoever stops waiting for them.
    pub(crate) tasks: TaskTracker,
    /// Ends everything at once, without handing anything back.
    pub(crate) killed: CancellationToken,
    /// Hands everything back and ends.
    pub(crate) draining: CancellationToken,
    drain_by: OnceLock<Instant>,
    life: RwLock<Option<Arc<Life>>>,
}

impl Core {
    pub(crate) fn new(options: EngineOptions, ports: Ports, logs: LogQueue) -> Self {
        Self {
            options,
            plans: Plans::default(),
            ports,
            clock: Arc::new(EngineClock::new()),
            watchers: Watchers::default(),
            tally: Tally::default(),
            logs,
            tasks: TaskTracker::new(),
            killed: CancellationToken::new(),
            draining: CancellationToken::new(),
            drain_by: OnceLock::new(),
            life: RwLock::new(None),
        }
    }

    /// Has everything handed back; what runs has until then to end. The first call counts.
    pub(crate) fn drain(&self, by: Instant) {
        let _second_call = self.drain_by.set(by);
        self.draining.cancel();
    }

    /// Until when running steps may end, once everything is being handed back.
    pub(crate) fn drain_by(&self) -> Option<Instant> {
        self.drain_by.get().copied()
    }

    /// The life that goes on, if one does.
    pub(crate) fn life(&self) -> Option<Arc<Life>> {
        self.life.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_life(&self, life: Option<Arc<Life>>) {
        *self.life.write().unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// Makes a call to storage that goes on to its end even if nobody waits for it any more: a transaction is
    /// never cancelled half-way.
    pub(crate) async fn call<T, F>(&self, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match self.tasks.spawn(call).await {
            Ok(result) => result,
            Err(crash) => Err(RepositoryError::Backend { transient: false, source: Box::new(crash) }),
        }
    }

    /// Makes a call until it does not fail transiently, or the engine is gone. Only for calls that may be repeated.
    pub(crate) async fn call_again<T, F>(&self, name: &'static str, call: impl Fn() -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut backoff = Backoff::default();
        loop {
            match self.call(call()).await {
                Err(error) if error.is_transient() && !self.killed.is_cancelled() => {
                    pause(name, &error, backoff.next()).await;
                }
                result => return result,
            }
        }
    }
}

/// Tells of a call that failed and will be made again, and waits.
pub(crate) async fn pause(name: &'static str, error: &RepositoryError, pause: Duration) {
    tracing::warn!(call = name, error = %Chain(error), pause_ms = pause.as_millis(), "storage failed, trying again");
    tokio::time::sleep(pause).await;
}

/// Prints an error with its causes.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
