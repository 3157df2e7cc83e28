//! Transactions over the repositories.

use async_trait::async_trait;

use super::{
    AgentRepository, ApiKeyRepository, AuditLogRepository, BudgetRepository, DeploymentRepository, ExecutionRepository,
    IdempotencyRepository, Result, SecretRepository, SessionRepository, TemplateRepository, UserRepository,
    UserTokenRepository, WorkflowRepository,
};

/// One transaction over all repositories. Dropping it without `commit` undoes everything; after any error it
/// cannot be committed.
#[async_trait]
pub trait UnitOfWork: Send {
    /// The users.
    fn users(&mut self) -> &mut dyn UserRepository;
    /// The agents.
    fn agents(&mut self) -> &mut dyn AgentRepository;
    /// The workflows, with their steps.
    fn workflows(&mut self) -> &mut dyn WorkflowRepository;
    /// The executions, where they are not the engine's.
    fn executions(&mut self) -> &mut dyn ExecutionRepository;
    /// The templates.
    fn templates(&mut self) -> &mut dyn TemplateRepository;
    /// The deployments.
    fn deployments(&mut self) -> &mut dyn DeploymentRepository;
    /// The API keys.
    fn api_keys(&mut self) -> &mut dyn ApiKeyRepository;
    /// The sessions.
    fn sessions(&mut self) -> &mut dyn SessionRepository;
    /// The tokens that are sent to users.
    fn user_tokens(&mut self) -> &mut dyn UserTokenRepository;
    /// The requests that may be sent again.
    fn idempotency(&mut self) -> &mut dyn IdempotencyRepository;
    /// The secrets, sealed.
    fn secrets(&mut self) -> &mut dyn SecretRepository;
    /// The budgets.
    fn budgets(&mut self) -> &mut dyn BudgetRepository;
    /// The audit log.
    fn audit_logs(&mut self) -> &mut dyn AuditLogRepository;
    /// Makes all changes durable.
    ///
    /// # Errors
    ///
    /// [`Aborted`](super::RepositoryError::Aborted) if something in it had failed.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// Opens units of work.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a transaction. MUST NOT be cancelled half-way by who calls it: run units of work in a task that
    /// is awaited.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>>;
}
