//! The engine: one worker process's share of all executions.
//!
//! A supervisor lets one life follow another: when the lease ends, for whatever reason, everything in memory is
//! dropped and the process comes back as a new worker, until it is drained.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, mpsc::Sender, watch},
    time::Instant,
};
use turbocat_domain::{execution_log::ExecutionLog, port::Clock};

use crate::{
    acceptor,
    backoff::Backoff,
    core::{Chain, Core, pause},
    error::EngineError,
    handle::EngineHandle,
    lease::{self, Lease, LeaseEnd},
    life,
    logs::{self, LogQueue},
    options::{EngineOptions, Ports},
};

/// Why an engine has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It was drained: what it had is handed back.
    Drained,
    /// It was dropped: what it had is taken over by others when its lease runs out.
    Killed,
}

/// A running engine. Dropping it stops everything at once, as if the process had died.
pub struct Engine {
    core: Arc<Core>,
    handle: EngineHandle,
    stopped: watch::Receiver<Option<StopReason>>,
}

impl Engine {
    /// Becomes a worker and starts to run executions. Must be called inside of a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`EngineError::Register`] if storage does not take the worker.
    pub async fn start(options: EngineOptions, ports: Ports) -> Result<Self, EngineError> {
        let (log_queue, keep_open, lines) = LogQueue::new();
        let core = Arc::new(Core::new(options, ports, log_queue));
        let lease = lease::register(&core).await.map_err(EngineError::Register)?;
        let (acceptances, calls) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(None);
        let log_writer = core.tasks.spawn(logs::write(Arc::clone(&core), lines));
        core.tasks.spawn(acceptor::accept(Arc::clone(&core), calls));
        let supervised = Arc::clone(&core);
        core.tasks.spawn(async move {
            let reason = supervise(&supervised, lease).await;
            if reason == StopReason::Drained {
                flush_logs(keep_open, log_writer).await;
            }
            supervised.killed.cancel();
            stop.send_replace(Some(reason));
        });
        let handle = EngineHandle::new(Arc::clone(&core), acceptances);
        Ok(Self { core, handle, stopped })
    }

    /// A handle for those who bring work and watch it.
    #[must_use]
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// The engine's clock: the database's time.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.core.clock) as Arc<dyn Clock>
    }

    /// Stops claiming, lets running steps end for up to `patience`, stops the rest, and hands everything back:
    /// other workers claim it at once.
    pub async fn drain(&self, patience: Duration) -> StopReason {
        self.core.drain(Instant::now() + patience);
        self.stopped().await
    }

    /// Waits until the engine has stopped. A worker that was fenced has not: it comes back under another id.
    pub async fn stopped(&self) -> StopReason {
        let mut stopped = self.stopped.clone();
        let reason = stopped.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| *reason).unwrap_or(StopReason::Killed)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.core.killed.cancel();
    }
}

/// Lets one life follow another.
async fn supervise(core: &Arc<Core>, first: Lease) -> StopReason {
    let mut lease = first;
    loop {
        let worker = lease.worker;
        let end = life::live(core, lease).await;
        if core.killed.is_cancelled() {
            return StopReason::Killed;
        }
        if end == LeaseEnd::Drained {
            hand_back(core, worker).await;
            return StopReason::Drained;
        }
        tracing::warn!(worker.id = %worker, ?end, "the lease ended, the worker starts anew");
        match next_lease(core).await {
            Ok(next) => lease = next,
            Err(reason) => return reason,
        }
    }
}

/// Registers again, for as long as that takes.
async fn next_lease(core: &Arc<Core>) -> Result<Lease, StopReason> {
    let mut backoff = Backoff::default();
    loop {
        let registered = tokio::select! {
            biased;
            () = core.killed.cancelled() => return Err(StopReason::Killed),
            () = core.draining.cancelled() => return Err(StopReason::Drained),
            registered = lease::register(core) => registered,
        };
        match registered {
            Ok(lease) => return Ok(lease),
            Err(error) => pause("worker.register", &error, backoff.next()).await,
        }
    }
}

/// Makes what the worker owned claimable at once.
async fn hand_back(core: &Arc<Core>, worker: turbocat_domain::id::WorkerId) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let released = core.call_again("worker.release", || {
        let workers = Arc::clone(&core.ports.workers);
        async move { workers.release(worker).await }
    });
    match tokio::time::timeout(PATIENCE, released).await {
        Ok(Ok(released)) => tracing::info!(worker.id = %worker, released.executions, "everything is handed back"),
        Ok(Err(error)) => tracing::error!(worker.id = %worker, error = %Chain(&error), "the lease was not given back"),
        Err(_elapsed) => tracing::error!(worker.id = %worker, "the lease was not given back: storage does not answer"),
    }
}

/// Lets the lines of the last steps be written.
async fn flush_logs(keep_open: Sender<ExecutionLog>, writer: tokio::task::JoinHandle<()>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    drop(keep_open);
    if tokio::time::timeout(PATIENCE, writer).await.is_err() {
        tracing::error!("lines of agents were not written: storage does not answer");
    }
}
