//! A store on a database of its own, with a way around it for what a test must do behind its back.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use turbocat_domain::{
    budget::BudgetLimit,
    execution_log::ExecutionLog,
    id::{AgentId, ExecutionId, WorkerId, WorkflowId},
    permit::{PermitGrant, PermitRequest},
    port::{
        AccessLedger, AgentQueries, ApiKeyQueries, ApprovalQueries, AuditLogQueries, BudgetLedger, BudgetQueries,
        ClaimRequest, ClaimedExecution, CommitOutcome, CounterRepository, DeploymentQueries, DueRequest, DueSchedules,
        EndedChild, EventQueries, ExecutionAcceptor, ExecutionMail, ExecutionQueries, ExecutionQueue, FireOutcome,
        Firing, Journal, JournalBatch, KeyUse, LeaseGrant, LogWriter, NewEvent, NewExecution, NewWorker, NextDue,
        PartJournal, PartOutcome, PermitLedger, Queries, RateGrant, RateLimiter, RateRequest, Renewal, RequestOutcome,
        Reservation, ReserveOutcome, Result, ScheduleQueries, ScheduleRepository, SecretQueries, SessionQueries,
        StepPart, StepPlace, Store, StoredEvent, Takeover, TemplateQueries, UnitOfWork, UsageQueries, UserQueries,
        UserTokenQueries, WorkerRepository, WorkflowQueries,
    },
    schedule::Verdict,
    usage::Charge,
};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_testkit::{contract::ContractStore, postgres::TestDatabase};

/// A store under test. Fields are dropped in their order: the database last.
pub(crate) struct Fixture {
    pub(crate) store: PgStore,
    pub(crate) admin: PgPool,
    database: TestDatabase,
}

impl Fixture {
    /// A store on an empty database with the current schema.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, connected in another way.
    pub(crate) async fn with(adjust: impl FnOnce(&mut ConnectOptions)) -> Self {
        let database = TestDatabase::create().await.expect("a database for the test");
        let mut options = ConnectOptions::new(database.url());
        options.pool_max = 5;
        adjust(&mut options);
        let store = PgStore::connect(&options).await.expect("the database answers");
        let admin = PgPoolOptions::new().max_connections(2).connect(database.url()).await.expect("it answers");
        Self { store, admin, database }
    }

    /// Another store on the same database, as another process has it.
    pub(crate) async fn another_process(&self) -> PgStore {
        PgStore::connect(&ConnectOptions::new(self.database.url())).await.expect("the database answers")
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.admin).await.expect(sql);
    }

    /// The address of the database.
    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    /// Reads a text behind the store's back.
    pub(crate) async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.admin).await.expect(sql)
    }

    /// Reads a number behind the store's back.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.admin).await.expect(sql)
    }
}

#[async_trait]
impl ContractStore for Fixture {
    async fn tick(&self) {}

    async fn expire_lease(&self, worker: WorkerId) {
        let past = "UPDATE workers SET lease_until = LOCALTIMESTAMP - INTERVAL '1 second' WHERE id = ";
        self.execute(&format!("{past} '{}'", worker.as_uuid())).await;
    }

    async fn make_due(&self, execution: ExecutionId) {
        let past = "UPDATE executions SET wake_at = LOCALTIMESTAMP - INTERVAL '1 second' WHERE id = ";
        self.execute(&format!("{past} '{}'", execution.as_uuid())).await;
    }

    async fn set_next_tick(&self, workflow: WorkflowId, tick: DateTime<Utc>) {
        let set = format!("UPDATE schedules SET jitter_ms = 0, next_at = '{}'", tick.naive_utc());
        self.execute(&format!("{set} WHERE workflow_id = '{}'", workflow.as_uuid())).await;
    }

    async fn ticks(&self, workflow: WorkflowId) -> Vec<(DateTime<Utc>, Verdict, Option<ExecutionId>)> {
        let ticks = "SELECT extract(epoch FROM scheduled_for)::int8, verdict::text, execution_id FROM schedule_ticks
            WHERE workflow_id = $1 ORDER BY scheduled_for";
        let ticks = sqlx::query_as(ticks).bind(workflow.as_uuid()).fetch_all(&self.admin).await.expect("the ticks");
        let ticks = ticks.into_iter().map(|(at, verdict, id): (i64, String, Option<uuid::Uuid>)| {
            let at = DateTime::from_timestamp(at, 0).expect("a time");
            (at, verdict.parse().expect("a verdict"), id.map(ExecutionId::from_uuid))
        });
        ticks.collect()
    }
}

#[async_trait]
impl Store for Fixture {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>> {
        self.store.begin().await
    }
}

impl Queries for Fixture {
    fn users(&self) -> &dyn UserQueries {
        self.store.users()
    }
    fn agents(&self) -> &dyn AgentQueries {
        self.store.agents()
    }
    fn workflows(&self) -> &dyn WorkflowQueries {
        self.store.workflows()
    }
    fn executions(&self) -> &dyn ExecutionQueries {
        self.store.executions()
    }
    fn templates(&self) -> &dyn TemplateQueries {
        self.store.templates()
    }
    fn deployments(&self) -> &dyn DeploymentQueries {
        self.store.deployments()
    }
    fn api_keys(&self) -> &dyn ApiKeyQueries {
        self.store.api_keys()
    }
    fn sessions(&self) -> &dyn SessionQueries {
        self.store.sessions()
    }
    fn user_tokens(&self) -> &dyn UserTokenQueries {
        self.store.user_tokens()
    }
    fn approvals(&self) -> &dyn ApprovalQueries {
        self.store.approvals()
    }
    fn schedules(&self) -> &dyn ScheduleQueries {
        self.store.schedules()
    }
    fn secrets(&self) -> &dyn SecretQueries {
        self.store.secrets()
    }
    fn budgets(&self) -> &dyn BudgetQueries {
        self.store.budgets()
    }
    fn usage(&self) -> &dyn UsageQueries {
        self.store.usage()
    }
    fn audit_logs(&self) -> &dyn AuditLogQueries {
        self.store.audit_logs()
    }
}

#[async_trait]
impl WorkerRepository for Fixture {
    async fn register(&self, worker: &NewWorker) -> Result<LeaseGrant> {
        self.store.register(worker).await
    }
    async fn renew(&self, id: WorkerId, lease_ms: u64) -> Result<Renewal> {
        self.store.renew(id, lease_ms).await
    }
    async fn release(&self, id: WorkerId) -> Result<Takeover> {
        self.store.release(id).await
    }
    async fn take_over(&self, finder: WorkerId) -> Result<Takeover> {
        self.store.take_over(finder).await
    }
    async fn count_live(&self) -> Result<u32> {
        self.store.count_live().await
    }
}

#[async_trait]
impl ExecutionQueue for Fixture {
    async fn insert(&self, executions: &[NewExecution], owner: Option<WorkerId>) -> Result<(DateTime<Utc>, bool)> {
        self.store.insert(executions, owner).await
    }
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedExecution>> {
        self.store.claim(request).await
    }
    async fn release_unknown(&self, worker: WorkerId, known: &[ExecutionId]) -> Result<u64> {
        self.store.release_unknown(worker, known).await
    }
    async fn take_mail(&self, worker: WorkerId) -> Result<Vec<ExecutionMail>> {
        self.store.take_mail(worker).await
    }
    async fn ended_children(&self, parents: &[ExecutionId]) -> Result<Vec<(ExecutionId, EndedChild)>> {
        self.store.ended_children(parents).await
    }
    async fn request_cancel(&self, id: ExecutionId) -> Result<RequestOutcome> {
        self.store.request_cancel(id).await
    }
    async fn next_due(&self) -> Result<NextDue> {
        self.store.next_due().await
    }
}

#[async_trait]
impl ScheduleRepository for Fixture {
    async fn due(&self, request: DueRequest) -> Result<DueSchedules> {
        self.store.due(request).await
    }
    async fn fire(&self, worker: WorkerId, firings: &[Firing]) -> Result<FireOutcome> {
        self.store.fire(worker, firings).await
    }
}

#[async_trait]
impl EventQueries for Fixture {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        self.store.publish(event).await
    }
    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        self.store.received(name, since, target).await
    }
}

#[async_trait]
impl Journal for Fixture {
    async fn commit(&self, worker: WorkerId, batch: &JournalBatch) -> Result<CommitOutcome> {
        self.store.commit(worker, batch).await
    }
}

#[async_trait]
impl PartJournal for Fixture {
    async fn parts(&self, step: &StepPlace) -> Result<Vec<StepPart>> {
        self.store.parts(step).await
    }
    async fn record_part<'a>(
        &self,
        worker: WorkerId,
        step: &'a StepPlace,
        part: (&'a StepPart, Option<&'a Charge>),
    ) -> Result<PartOutcome> {
        self.store.record_part(worker, step, part).await
    }
}

#[async_trait]
impl PermitLedger for Fixture {
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        self.store.take_permits(worker, agent, request).await
    }
}

#[async_trait]
impl BudgetLedger for Fixture {
    async fn reserve<'a>(
        &self,
        step: &'a StepPlace,
        wanted: &'a Reservation,
        limits: &'a [BudgetLimit],
    ) -> Result<ReserveOutcome> {
        self.store.reserve(step, wanted, limits).await
    }
}

#[async_trait]
impl LogWriter for Fixture {
    async fn append(&self, lines: &[ExecutionLog]) -> Result<()> {
        self.store.append(lines).await
    }
}

#[async_trait]
impl CounterRepository for Fixture {
    async fn fold(&self) -> Result<u64> {
        self.store.fold().await
    }
}

#[async_trait]
impl RateLimiter for Fixture {
    async fn take(&self, request: &RateRequest) -> Result<RateGrant> {
        self.store.take(request).await
    }
}

#[async_trait]
impl AccessLedger for Fixture {
    async fn record_uses(&self, uses: &[KeyUse]) -> Result<()> {
        self.store.record_uses(uses).await
    }
    async fn prune(&self) -> Result<u64> {
        self.store.prune().await
    }
}

#[async_trait]
impl ExecutionAcceptor for Fixture {
    async fn accept(&self, executions: Vec<NewExecution>) -> Result<()> {
        self.store.accept(executions).await
    }
}
