//! What the rules need of the world, as traits. Adapters carry the technology in their names.
//!
//! Reads go through [`Queries`], writes through a [`UnitOfWork`], the engine's own protocol through
//! [`WorkerRepository`], [`ExecutionQueue`], [`ScheduleRepository`] and [`Journal`], each of whose methods is atomic by itself.

mod access;
mod clock;
mod error;
mod journal;
mod mail;
mod page;
mod part;
mod permit;
mod queries;
mod queue;
mod repository;
mod runner;
mod schedule;
mod schema;
mod secret;
mod tabular;
mod unit_of_work;
mod usage;
mod user_token;
mod waiting;
mod worker;

pub use access::{
    AccessLedger, IdempotencyRepository, KeyUse, RateGrant, RateLimiter, RateRequest, SessionQueries, SessionRepository,
};
pub use clock::{Clock, IdGenerator};
pub use error::{RepositoryError, Result};
pub use journal::{
    CommitOutcome, CounterRepository, FinishedExecution, Journal, JournalBatch, LogWriter, ParkedExecution, WaitRecord,
};
pub use mail::{Mail, MailError, Mailer};
pub use page::{Cursor, Page, PageRequest, ParseSortError, Sort, SortField};
pub use part::{PartJournal, PartKind, PartOutcome, PartRecord, StepPart, StepPlace};
pub use permit::PermitLedger;
pub use queries::{
    AgentFilter, AgentQueries, ApiKeyQueries, AuditLogFilter, AuditLogQueries, DeploymentFilter, DeploymentQueries,
    ExecutionFilter, ExecutionQueries, LogFilter, Queries, TemplateFilter, TemplateQueries, UserFilter, UserQueries,
    WorkflowFilter, WorkflowQueries,
};
pub use queue::{
    ClaimRequest, ClaimedExecution, EndedChild, EventQueries, ExecutionAcceptor, ExecutionMail, ExecutionQueue,
    NewEvent, NewExecution, NextDue, RequestOutcome, StoredEvent,
};
pub use repository::{
    AgentRepository, ApiKeyRepository, AuditLogRepository, DeploymentRepository, ExecutionRepository,
    TemplateRepository, UserRepository, WorkflowRepository,
};
pub use runner::{AgentCall, AgentRunner, AttemptHost, BUDGET_EXCEEDED, LogSink, WorkflowCall};
pub use schedule::{
    DueRequest, DueSchedule, DueSchedules, FireOutcome, Fired, FiredTick, Firing, ScheduleRepository,
    ScheduledExecution,
};
pub use schema::{SchemaProblem, SchemaValidator};
pub use secret::{CipherError, RevealedSecret, SecretCipher, SecretQueries, SecretRepository, SecretVault};
pub use tabular::{TabularQuery, TabularSql};
pub use unit_of_work::{Store, UnitOfWork};
pub use usage::{
    BudgetLedger, BudgetQueries, BudgetRepository, Reservation, ReserveOutcome, UsageFilter, UsageQueries, UsageRow,
};
pub use user_token::{UserTokenQueries, UserTokenRepository};
pub use waiting::{ApprovalFilter, ApprovalQueries, ScheduleQueries, StoredSchedule, StoredTick};
pub use worker::{LeaseGrant, NewWorker, Renewal, Takeover, WorkerRepository};

#[cfg(any(test, feature = "mocks"))]
pub use {
    access::{MockAccessLedger, MockIdempotencyRepository, MockRateLimiter, MockSessionQueries, MockSessionRepository},
    clock::{MockClock, MockIdGenerator},
    journal::{MockCounterRepository, MockJournal, MockLogWriter},
    part::MockPartJournal,
    permit::MockPermitLedger,
    queries::{
        MockAgentQueries, MockApiKeyQueries, MockAuditLogQueries, MockDeploymentQueries, MockExecutionQueries,
        MockTemplateQueries, MockUserQueries, MockWorkflowQueries,
    },
    queue::{MockEventQueries, MockExecutionAcceptor, MockExecutionQueue},
    repository::{
        MockAgentRepository, MockApiKeyRepository, MockAuditLogRepository, MockDeploymentRepository,
        MockExecutionRepository, MockTemplateRepository, MockUserRepository, MockWorkflowRepository,
    },
    runner::{MockAgentRunner, MockLogSink},
    schedule::MockScheduleRepository,
    schema::MockSchemaValidator,
    secret::{MockSecretQueries, MockSecretRepository},
    unit_of_work::MockStore,
    usage::{MockBudgetLedger, MockBudgetQueries, MockBudgetRepository, MockUsageQueries},
    user_token::{MockUserTokenQueries, MockUserTokenRepository},
    worker::MockWorkerRepository,
};
