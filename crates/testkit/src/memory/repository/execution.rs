//! The executions, in a unit of work.

use async_trait::async_trait;
use turbocat_domain::{
    id::ExecutionId,
    port::{ExecutionRepository, NewEvent, NewExecution, RepositoryError, RequestOutcome, Result},
};

use super::super::{queue::Request, unit_of_work::MemoryUnitOfWork};

#[async_trait]
impl ExecutionRepository for MemoryUnitOfWork {
    async fn send(&mut self, event: &NewEvent) -> Result<u64> {
        self.settle(|uow| {
            let woken = uow.shared.state().would_wake(event)?;
            uow.sent.push(event.clone());
            Ok(woken)
        })
    }

    async fn insert(&mut self, executions: &[NewExecution]) -> Result<()> {
        self.settle(|uow| {
            let missing = uow.shared.state().missing(executions)?;
            if missing.len() < executions.len() {
                return Err(RepositoryError::AlreadyExists { entity: "execution" });
            }
            uow.accepted.extend(missing);
            Ok(())
        })
    }

    async fn request_cancel(&mut self, id: ExecutionId) -> Result<RequestOutcome> {
        self.ask(id, Request::Cancel)
    }

    async fn pause(&mut self, id: ExecutionId, reason: Option<String>) -> Result<RequestOutcome> {
        self.ask(id, Request::Pause(reason))
    }

    async fn resume(&mut self, id: ExecutionId) -> Result<RequestOutcome> {
        self.ask(id, Request::Resume)
    }

    async fn delete_ended(&mut self, ids: &[ExecutionId]) -> Result<u64> {
        self.settle(|uow| {
            let ended: Vec<ExecutionId> = {
                let state = uow.shared.state();
                let has_ended = |id: &ExecutionId| {
                    state.engine.executions.get(id).is_some_and(|row| row.execution.status.is_terminal())
                };
                ids.iter().copied().filter(has_ended).collect()
            };
            // An end is for good: what has ended now can still be deleted at commit.
            let deleted = ended.into_iter().filter(|id| uow.deleted.insert(*id)).count();
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
    }
}

impl MemoryUnitOfWork {
    /// Asks something of an execution, when this is committed.
    fn ask(&mut self, id: ExecutionId, request: Request) -> Result<RequestOutcome> {
        self.settle(|uow| {
            let outcome = uow.shared.state().request_outcome(id);
            if outcome == RequestOutcome::Requested {
                uow.requests.push((id, request));
            }
            Ok(outcome)
        })
    }
}
