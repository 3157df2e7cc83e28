//! The one hand-written double: a unit of work over the mocks of the repositories.
//!
//! For the question "what does the caller do when this port fails"; flows are tested on the
//! [`MemoryStore`](crate::memory::MemoryStore).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use turbocat_domain::port::{
    AgentRepository, ApiKeyRepository, AuditLogRepository, BudgetRepository, DeploymentRepository, ExecutionRepository,
    IdempotencyRepository, MockAgentRepository, MockApiKeyRepository, MockAuditLogRepository, MockBudgetRepository,
    MockDeploymentRepository, MockExecutionRepository, MockIdempotencyRepository, MockSecretRepository,
    MockSessionRepository, MockStore, MockTemplateRepository, MockUserRepository, MockUserTokenRepository,
    MockWorkflowRepository, Result, SecretRepository, SessionRepository, TemplateRepository, UnitOfWork,
    UserRepository, UserTokenRepository, WorkflowRepository,
};

/// A unit of work over mocks: expect calls on its fields, and look at `committed` afterwards.
#[derive(Default)]
pub struct MockUnitOfWork {
    /// The users.
    pub users: MockUserRepository,
    /// The agents.
    pub agents: MockAgentRepository,
    /// The workflows.
    pub workflows: MockWorkflowRepository,
    /// The executions.
    pub executions: MockExecutionRepository,
    /// The templates.
    pub templates: MockTemplateRepository,
    /// The deployments.
    pub deployments: MockDeploymentRepository,
    /// The API keys.
    pub api_keys: MockApiKeyRepository,
    /// The sessions.
    pub sessions: MockSessionRepository,
    /// The tokens that are sent to users.
    pub user_tokens: MockUserTokenRepository,
    /// The requests that may be sent again.
    pub idempotency: MockIdempotencyRepository,
    /// The secrets.
    pub secrets: MockSecretRepository,
    /// The budgets.
    pub budgets: MockBudgetRepository,
    /// The audit log.
    pub audit_logs: MockAuditLogRepository,
    /// Whether it was committed. Keep a clone: the unit of work is used up by its commit.
    pub committed: Arc<AtomicBool>,
}

impl MockUnitOfWork {
    /// A store that gives out this unit of work, once.
    #[must_use]
    pub fn into_store(self) -> MockStore {
        let mut store = MockStore::new();
        store.expect_begin().return_once(move || Ok(Box::new(self)));
        store
    }
}

#[async_trait]
impl UnitOfWork for MockUnitOfWork {
    fn users(&mut self) -> &mut dyn UserRepository {
        &mut self.users
    }

    fn agents(&mut self) -> &mut dyn AgentRepository {
        &mut self.agents
    }

    fn workflows(&mut self) -> &mut dyn WorkflowRepository {
        &mut self.workflows
    }

    fn executions(&mut self) -> &mut dyn ExecutionRepository {
        &mut self.executions
    }

    fn templates(&mut self) -> &mut dyn TemplateRepository {
        &mut self.templates
    }

    fn deployments(&mut self) -> &mut dyn DeploymentRepository {
        &mut self.deployments
    }

    fn api_keys(&mut self) -> &mut dyn ApiKeyRepository {
        &mut self.api_keys
    }

    fn sessions(&mut self) -> &mut dyn SessionRepository {
        &mut self.sessions
    }

    fn user_tokens(&mut self) -> &mut dyn UserTokenRepository {
        &mut self.user_tokens
    }

    fn idempotency(&mut self) -> &mut dyn IdempotencyRepository {
        &mut self.idempotency
    }

    fn secrets(&mut self) -> &mut dyn SecretRepository {
        &mut self.secrets
    }

    fn budgets(&mut self) -> &mut dyn BudgetRepository {
        &mut self.budgets
    }

    fn audit_logs(&mut self) -> &mut dyn AuditLogRepository {
        &mut self.audit_logs
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.committed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use turbocat_domain::port::{RepositoryError, Store};

    use super::*;

    #[tokio::test]
    async fn a_commit_is_seen_from_outside_and_a_failure_is_what_was_expected() {
        let mut uow = MockUnitOfWork::default();
        let committed = Arc::clone(&uow.committed);
        uow.executions.expect_delete_ended().returning(|_| Err(RepositoryError::Conflict { entity: "execution" }));
        let store = uow.into_store();

        let mut uow = store.begin().await.unwrap();
        let deleted = uow.executions().delete_ended(&[]).await;
        assert!(matches!(deleted, Err(RepositoryError::Conflict { .. })));
        assert!(!committed.load(Ordering::SeqCst));

        uow.commit().await.unwrap();
        assert!(committed.load(Ordering::SeqCst));
    }
}
