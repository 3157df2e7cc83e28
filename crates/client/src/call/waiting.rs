//! Events, approvals and schedules.

use futures_util::Stream;
use turbocat_domain::id::{ExecutionId, WorkflowId};

use crate::{
    Approval, ApprovalQuery, Client, Decided, Decision, Error, Page, PageQuery, Schedule, SendEvent, SentEvent, Tick,
    TickQuery,
    client::Call,
    operation::{DECIDE_APPROVAL, LIST_APPROVALS, LIST_SCHEDULE_TICKS, LIST_SCHEDULES, SEND_EVENT},
    page,
};

impl Client {
    /// Sends an event to one's own executions that wait for its name, and starts one's own workflows with a trigger for
    /// it. All of that is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found` for a target.
    pub async fn send_event(&self, event: &SendEvent) -> Result<SentEvent, Error> {
        let call = Call::new(SEND_EVENT).json(event)?;
        self.ask(call.keyed(event.idempotency_key.as_deref())).await
    }

    /// A page of the decisions that executions wait for, the newest executions first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn approvals(&self, query: &ApprovalQuery) -> Result<Page<Approval>, Error> {
        self.list(Call::new(LIST_APPROVALS), query).await
    }

    /// All of them, page after page.
    pub fn all_approvals(&self, query: ApprovalQuery) -> impl Stream<Item = Result<Approval, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.approvals(&query).await }
        })
    }

    /// Decides what an execution waits for, once.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`, `forbidden` for who is not asked, `conflict` for who has decided. It is not sent again
    /// when the answer is lost: look with [`Self::approvals`] what became of it.
    pub async fn decide(&self, execution: ExecutionId, decision: &Decision) -> Result<Decided, Error> {
        self.ask(Call::about(DECIDE_APPROVAL, execution).json(decision)?).await
    }

    /// A page of the schedules of active workflows, the newest versions first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn schedules(&self, query: &PageQuery) -> Result<Page<Schedule>, Error> {
        self.list(Call::new(LIST_SCHEDULES), query).await
    }

    /// What became of the last times of a schedule, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn ticks(&self, workflow: WorkflowId, query: &TickQuery) -> Result<Vec<Tick>, Error> {
        self.ask(Call::about(LIST_SCHEDULE_TICKS, workflow).query(query)?).await
    }
}
