//! How the rest of the process talks to its engine.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc::UnboundedSender, oneshot};
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{ExecutionAcceptor, NewExecution, RepositoryError, Result},
};

use crate::{acceptor::Acceptance, core::Core, figures::EngineFigures, progress::Progress};

/// The engine, for those who bring it work and watch it. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    core: Arc<Core>,
    acceptances: UnboundedSender<Acceptance>,
}

impl EngineHandle {
    pub(crate) const fn new(core: Arc<Core>, acceptances: UnboundedSender<Acceptance>) -> Self {
        Self { core, acceptances }
    }

    /// Says that there may be something new: an execution to claim, a cancel, an event. It is looked for at once
    /// instead of at the next poll.
    pub fn wake(&self) {
        if let Some(life) = self.core.life() {
            life.wake();
        }
    }

    /// Shows what happens to an execution from now on, as it becomes durable. Only what this engine does is shown.
    #[must_use]
    pub fn watch(&self, execution: ExecutionId) -> broadcast::Receiver<Progress> {
        self.core.watchers.watch(execution)
    }

    /// The worker as which the engine is registered; `None` while it is not.
    #[must_use]
    pub fn worker_id(&self) -> Option<WorkerId> {
        self.core.life().map(|life| life.lease.worker)
    }

    /// How many executions it holds in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.core.life().map_or(0, |life| life.held())
    }

    /// What it has done since it started, as numbers.
    #[must_use]
    pub fn figures(&self) -> EngineFigures {
        let life = self.core.life();
        let held = life.as_ref().map_or(0, |life| life.held());
        self.core.tally.figures(held, life.map(|life| life.lease.age(self.core.options.trust())))
    }
}

#[async_trait]
impl ExecutionAcceptor for EngineHandle {
    async fn accept(&self, executions: Vec<NewExecution>) -> Result<()> {
        let (outcome, told) = oneshot::channel();
        if let Err(unsent) = self.acceptances.send(Acceptance { executions, outcome }) {
            // The engine has stopped; others will claim them.
            let executions = unsent.0.executions;
            return self.core.ports.queue.insert(&executions, None).await.map(drop);
        }
        let stopped = |_| RepositoryError::Backend { transient: true, source: "the engine has stopped".into() };
        told.await.map_err(stopped)?
    }
}
