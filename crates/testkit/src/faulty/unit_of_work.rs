//! Units of work with faults: at their beginning and at their commit, where a lost reply hurts.

use async_trait::async_trait;
use turbocat_domain::port::{
    AgentRepository, ApiKeyRepository, AuditLogRepository, BudgetRepository, DeploymentRepository, ExecutionRepository,
    IdempotencyRepository, Result, SecretRepository, SessionRepository, Store, TemplateRepository, UnitOfWork,
    UserRepository, UserTokenRepository, WorkflowRepository,
};

use super::{FaultPlan, Faulty};

struct FaultyUnitOfWork {
    inner: Box<dyn UnitOfWork>,
    plan: FaultPlan,
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>> {
        let inner = self.plan.call("store.begin", self.inner.begin()).await?;
        Ok(Box::new(FaultyUnitOfWork { inner, plan: self.plan.clone() }))
    }
}

#[async_trait]
impl UnitOfWork for FaultyUnitOfWork {
    fn users(&mut self) -> &mut dyn UserRepository {
        self.inner.users()
    }

    fn agents(&mut self) -> &mut dyn AgentRepository {
        self.inner.agents()
    }

    fn workflows(&mut self) -> &mut dyn WorkflowRepository {
        self.inner.workflows()
    }

    fn executions(&mut self) -> &mut dyn ExecutionRepository {
        self.inner.executions()
    }

    fn templates(&mut self) -> &mut dyn TemplateRepository {
        self.inner.templates()
    }

    fn deployments(&mut self) -> &mut dyn DeploymentRepository {
        self.inner.deployments()
    }

    fn api_keys(&mut self) -> &mut dyn ApiKeyRepository {
        self.inner.api_keys()
    }

    fn sessions(&mut self) -> &mut dyn SessionRepository {
        self.inner.sessions()
    }

    fn user_tokens(&mut self) -> &mut dyn UserTokenRepository {
        self.inner.user_tokens()
    }

    fn idempotency(&mut self) -> &mut dyn IdempotencyRepository {
        self.inner.idempotency()
    }

    fn secrets(&mut self) -> &mut dyn SecretRepository {
        self.inner.secrets()
    }

    fn budgets(&mut self) -> &mut dyn BudgetRepository {
        self.inner.budgets()
    }

    fn audit_logs(&mut self) -> &mut dyn AuditLogRepository {
        self.inner.audit_logs()
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { inner, plan } = *self;
        plan.call("store.commit", inner.commit()).await
    }
}
