//! The store: one pool, and every port on it.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};
use turbocat_domain::port::{
    AgentQueries, AgentRepository, ApiKeyQueries, ApiKeyRepository, ApprovalQueries, AuditLogQueries,
    AuditLogRepository, BudgetQueries, BudgetRepository, DeploymentQueries, DeploymentRepository, ExecutionQueries,
    ExecutionRepository, IdempotencyRepository, Queries, RepositoryError, Result, ScheduleQueries, SecretQueries,
    SecretRepository, SessionQueries, SessionRepository, Store, TemplateQueries, TemplateRepository, UnitOfWork,
    UsageQueries, UserQueries, UserRepository, UserTokenQueries, UserTokenRepository, WorkflowQueries,
    WorkflowRepository,
};

use crate::{
    connect::{ConnectOptions, Settings},
    engine::Sessions,
    error::ErrorContext,
    sql,
    tabular::PgTabular,
    transaction,
    wakeup::Wakeups,
};

/// Repositories over a connection `C`: a transaction for writes, the pool for reads.
///
/// `PostgreSQL` answers `COMMIT` of a failed transaction with a silent rollback, which the driver reports as
/// success. `failed` is what makes [`UnitOfWork::commit`] tell the truth.
pub(crate) struct Pg<C> {
    pub(crate) conn: C,
    failed: bool,
}

impl<C> Pg<C> {
    const fn new(conn: C) -> Self {
        Self { conn, failed: false }
    }

    /// Whether something has failed on it.
    pub(crate) const fn failed(&self) -> bool {
        self.failed
    }

    /// Passes a result on, and remembers it if it is an error.
    pub(crate) fn settle<T>(&mut self, result: Result<T>) -> Result<T> {
        self.failed |= result.is_err();
        result
    }
}

#[async_trait]
impl UnitOfWork for Pg<DatabaseTransaction> {
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
        transaction::detached(async move {
            if self.failed {
                // A rollback that fails leaves a lost connection, and nothing to undo.
                let _already_aborted = self.conn.rollback().await;
                return Err(RepositoryError::Aborted);
            }
            transaction::commit(self.conn).await
        })
        .await
    }
}

/// The store on `PostgreSQL`: all ports of the domain. Cheap to clone.
#[derive(Clone)]
pub struct PgStore {
    pub(crate) pool: Arc<Pg<DatabaseConnection>>,
    /// Where the journal is committed.
    pub(crate) journal: DatabaseConnection,
    /// Where lines of logs go, so that they never wait with a journal for a connection.
    pub(crate) unhurried: DatabaseConnection,
    /// The sessions whose locks tell the others that a worker of this process lives.
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) options: Arc<ConnectOptions>,
}

impl PgStore {
    /// Connects. Checks neither the schema nor the server's settings.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`] if the address is none or the server cannot be reached.
    pub async fn connect(options: &ConnectOptions) -> Result<Self> {
        Ok(Self {
            pool: Arc::new(Pg::new(options.open().await?)),
            journal: options.open_journal().await?,
            unhurried: options.open_unhurried().await?,
            sessions: Arc::default(),
            options: Arc::new(options.clone()),
        })
    }

    /// What runs queries of users, on connections of its own.
    #[must_use]
    pub fn tabular_sql(&self) -> PgTabular {
        PgTabular::new(Arc::clone(&self.options))
    }

    /// Asks the server for an answer, by the connection of the lines of logs: a pool whose connections are all busy is
    /// not a server that is away.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`] if there is none.
    pub async fn ping(&self) -> Result<()> {
        self.unhurried.ping().await.about("database")
    }

    /// What the server says about itself.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`] if it does not answer.
    pub async fn settings(&self) -> Result<Settings> {
        Settings::read(self.db()).await
    }

    /// What the role that is connected may do beyond what a server needs, in words: nothing, if it was granted by
    /// `turbocat migrate grant`.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`] if it does not answer.
    pub async fn excess_rights(&self) -> Result<Vec<String>> {
        let rows = self.db().query_all_raw(sql::list_excess_rights()).await.about("rights")?;
        rows.iter().map(|row| row.try_get("", "excess").about("rights")).collect()
    }

    /// Tells all processes that something is to be done. A hint: it may be lost, and polling is the truth.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`] if the server does not answer.
    pub async fn hint(&self) -> Result<()> {
        self.db().execute_raw(sql::notify_wake()).await.about("hint").map(|_| ())
    }

    /// Listens for hints, on a connection of its own that comes back by itself when it is lost.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`] if the first connection cannot be made.
    pub async fn wakeups(&self) -> Result<Wakeups> {
        Wakeups::listen(&self.options).await
    }

    /// Closes all connections; what is under way is awaited. Workers that were not released lose their sessions.
    pub async fn close(&self) {
        self.sessions.close_all().await;
        // Closing a pool cannot fail.
        let _closed = self.journal.close_by_ref().await;
        let _closed = self.unhurried.close_by_ref().await;
        let _closed = self.db().close_by_ref().await;
    }

    /// The pool.
    pub(crate) fn db(&self) -> &DatabaseConnection {
        &self.pool.conn
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>> {
        let db = self.db().clone();
        let tx = transaction::detached(async move { transaction::begin(&db).await }).await?;
        Ok(Box::new(Pg::new(tx)))
    }
}

impl Queries for PgStore {
    fn users(&self) -> &dyn UserQueries {
        &*self.pool
    }

    fn agents(&self) -> &dyn AgentQueries {
        &*self.pool
    }

    fn workflows(&self) -> &dyn WorkflowQueries {
        &*self.pool
    }

    fn executions(&self) -> &dyn ExecutionQueries {
        &*self.pool
    }

    fn templates(&self) -> &dyn TemplateQueries {
        &*self.pool
    }

    fn deployments(&self) -> &dyn DeploymentQueries {
        &*self.pool
    }

    fn api_keys(&self) -> &dyn ApiKeyQueries {
        &*self.pool
    }

    fn sessions(&self) -> &dyn SessionQueries {
        &*self.pool
    }

    fn user_tokens(&self) -> &dyn UserTokenQueries {
        &*self.pool
    }

    fn secrets(&self) -> &dyn SecretQueries {
        &*self.pool
    }

    fn audit_logs(&self) -> &dyn AuditLogQueries {
        &*self.pool
    }

    fn approvals(&self) -> &dyn ApprovalQueries {
        &*self.pool
    }

    fn schedules(&self) -> &dyn ScheduleQueries {
        &*self.pool
    }

    fn budgets(&self) -> &dyn BudgetQueries {
        &*self.pool
    }

    fn usage(&self) -> &dyn UsageQueries {
        &*self.pool
    }
}
