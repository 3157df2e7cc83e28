//! Units of work: a view of the tables, and the operations that made it, done again at commit.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::OwnedMutexGuard;
use turbocat_domain::{
    id::{BudgetId, ExecutionId},
    port::{
        AgentRepository, ApiKeyRepository, AuditLogRepository, BudgetRepository, Clock, DeploymentRepository,
        ExecutionRepository, IdempotencyRepository, NewEvent, NewExecution, RepositoryError, Result, SecretRepository,
        SessionRepository, Store, TemplateRepository, UnitOfWork, UserRepository, UserTokenRepository,
        WorkflowRepository,
    },
};

use super::{MemoryStore, Shared, name_lock::NameKey, queue::Request, tables::Tables};

type Operation = Box<dyn Fn(&mut Tables) -> Result<()> + Send>;

/// One transaction.
pub(super) struct MemoryUnitOfWork {
    pub(super) shared: Arc<Shared>,
    /// The tables as this unit of work sees them: what is committed, and what it did itself.
    pub(super) view: Tables,
    /// The executions that it deletes.
    pub(super) deleted: BTreeSet<ExecutionId>,
    /// What it asks of executions.
    pub(super) requests: Vec<(ExecutionId, Request)>,
    /// The budgets that it sets or deletes.
    pub(super) budgets: Vec<BudgetId>,
    /// The events that it sends.
    pub(super) sent: Vec<NewEvent>,
    /// The executions that it accepts.
    pub(super) accepted: Vec<NewExecution>,
    seen: u64,
    /// The time of all that it does to schedules: what ends and begins in it goes on.
    pub(super) began_at: DateTime<Utc>,
    operations: Vec<Operation>,
    names: Vec<(NameKey, OwnedMutexGuard<()>)>,
    failed: bool,
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>> {
        let state = self.state();
        Ok(Box::new(MemoryUnitOfWork {
            shared: Arc::clone(&self.shared),
            view: state.tables.clone(),
            deleted: BTreeSet::new(),
            requests: Vec::new(),
            budgets: Vec::new(),
            sent: Vec::new(),
            accepted: Vec::new(),
            seen: state.commits,
            began_at: self.now(),
            operations: Vec::new(),
            names: Vec::new(),
            failed: false,
        }))
    }
}

impl MemoryUnitOfWork {
    /// Does something to the view, and remembers it for the commit.
    pub(super) fn apply(&mut self, operation: impl Fn(&mut Tables) -> Result<()> + Send + 'static) -> Result<()> {
        self.settle(|uow| {
            uow.refresh()?;
            operation(&mut uow.view)?;
            uow.operations.push(Box::new(operation));
            Ok(())
        })
    }

    /// Locks a name until the end, and brings the view up to what the holder before committed.
    pub(super) async fn lock_name(&mut self, key: NameKey) -> Result<()> {
        if self.names.iter().all(|(held, _)| *held != key) {
            let guard = self.shared.names.lock(key.clone()).await;
            self.names.push((key, guard));
        }
        self.settle(Self::refresh)
    }

    /// Does something unless there was a failure before, and remembers whether it failed.
    pub(super) fn settle<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(RepositoryError::Aborted);
        }
        let result = act(self);
        self.failed = result.is_err();
        result
    }

    /// Brings the view up to what others have committed since it was made.
    fn refresh(&mut self) -> Result<()> {
        let (tables, commits) = {
            let state = self.shared.state();
            if state.commits == self.seen {
                return Ok(());
            }
            (state.tables.clone(), state.commits)
        };
        self.view = replay(tables, &self.operations)?;
        self.seen = commits;
        Ok(())
    }
}

fn replay(mut tables: Tables, operations: &[Operation]) -> Result<Tables> {
    for operation in operations {
        operation(&mut tables)?;
    }
    Ok(tables)
}

#[async_trait]
impl UnitOfWork for MemoryUnitOfWork {
    fn users(&mut self) -> &mut dyn UserRepository {
        self
    }

    fn agents(&mut self) -> &mut dyn AgentRepository {
        self
    }

    fn workflows(&mut self) -> &mut dyn WorkflowRepository {
        self
    }

    fn executions(&mut self) -> &mut dyn ExecutionRepository {
        self
    }

    fn templates(&mut self) -> &mut dyn TemplateRepository {
        self
    }

    fn deployments(&mut self) -> &mut dyn DeploymentRepository {
        self
    }

    fn api_keys(&mut self) -> &mut dyn ApiKeyRepository {
        self
    }

    fn sessions(&mut self) -> &mut dyn SessionRepository {
        self
    }

    fn user_tokens(&mut self) -> &mut dyn UserTokenRepository {
        self
    }

    fn idempotency(&mut self) -> &mut dyn IdempotencyRepository {
        self
    }

    fn secrets(&mut self) -> &mut dyn SecretRepository {
        self
    }

    fn budgets(&mut self) -> &mut dyn BudgetRepository {
        self
    }

    fn audit_logs(&mut self) -> &mut dyn AuditLogRepository {
        self
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        if self.failed {
            return Err(RepositoryError::Aborted);
        }
        let mut state = self.shared.state();
        if !self.operations.is_empty() {
            state.tables = replay(state.tables.clone(), &self.operations)?;
            state.commits += 1;
        }
        let now = self.shared.clock.now();
        for event in &self.sent {
            state.publish(event, now)?;
        }
        state.engine.accept(self.accepted, None, now);
        for (id, request) in &self.requests {
            state.request(*id, request, now);
        }
        for id in self.budgets {
            state.wake_for_budget(id, now);
        }
        for id in &self.deleted {
            state.engine.delete(*id);
        }
        Ok(())
    }
}
