//! Executions.

use std::{pin::pin, time::Duration};

use futures_util::{Stream, StreamExt};
use serde_json::json;
use turbocat_domain::id::ExecutionId;

use crate::{
    Began, BulkStarted, Client, Error, Execution, ExecutionQuery, LogLine, LogQuery, Page, PageQuery, Part, Requested,
    StartExecution, StartExecutions, Started, Step,
    client::Call,
    operation::{
        CANCEL_EXECUTION, LIST_EXECUTION_LOGS, LIST_EXECUTION_PARTS, LIST_EXECUTION_STEPS, LIST_EXECUTIONS,
        PAUSE_EXECUTION, RESUME_EXECUTION, SHOW_EXECUTION, START_EXECUTION, START_EXECUTIONS,
    },
    page,
};

/// The status of an answer that tells of an end.
const ENDED: u16 = 200;
/// How often is looked when no stream is to be had.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Client {
    /// Starts an execution. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found` and `not_active` for the workflow, `invalid_input`.
    pub async fn start(&self, wanted: &StartExecution) -> Result<Started, Error> {
        let call = Call::new(START_EXECUTION).json(wanted)?;
        self.ask(call.keyed(wanted.idempotency_key.as_deref())).await
    }

    /// Starts an execution and gives it up to 60 seconds to end: for short ones it saves looking. [`Self::wait`] waits for
    /// any.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_and_wait(&self, wanted: &StartExecution, wait: Duration) -> Result<Began, Error> {
        let call = Call::new(START_EXECUTION).json(wanted)?.query(&json!({ "wait": wait.as_secs() }))?;
        let answered = self.send(call.keyed(wanted.idempotency_key.as_deref()).longer(wait)).await?;
        if answered.status == ENDED {
            return Ok(Began::Ended(Box::new(answered.read()?)));
        }
        Ok(Began::Running(answered.read()?))
    }

    /// Starts up to 1,000 executions, all of them or none. They are durable when this returns.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_many(&self, wanted: &StartExecutions) -> Result<Vec<Started>, Error> {
        let call = Call::new(START_EXECUTIONS).json(wanted)?;
        let started: BulkStarted = self.ask(call.keyed(wanted.idempotency_key.as_deref())).await?;
        Ok(started.items)
    }

    /// A page of executions, the newest first, without their inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn executions(&self, query: &ExecutionQuery) -> Result<Page<Execution>, Error> {
        self.list(Call::new(LIST_EXECUTIONS), query).await
    }

    /// All of them, page after page.
    pub fn all_executions(&self, query: ExecutionQuery) -> impl Stream<Item = Result<Execution, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.executions(&query).await }
        })
    }

    /// An execution.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn execution(&self, id: ExecutionId) -> Result<Execution, Error> {
        self.ask(Call::about(SHOW_EXECUTION, id)).await
    }

    /// Waits for the end of an execution, however long that takes, and returns it. It follows the execution, and looks
    /// now and then where no more streams are to be had.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn wait(&self, id: ExecutionId) -> Result<Execution, Error> {
        let mut events = pin!(self.follow(id));
        while let Some(event) = events.next().await {
            match event {
                Ok(_) => {}
                Err(error) if error.is("too_many_streams") => break,
                Err(error) => return Err(error),
            }
        }
        loop {
            let execution = self.execution(id).await?;
            if execution.status.is_terminal() {
                return Ok(execution);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Each attempt of each step that was recorded, in the order in which it happened.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn steps(&self, id: ExecutionId) -> Result<Vec<Step>, Error> {
        self.ask(Call::about(LIST_EXECUTION_STEPS, id)).await
    }

    /// A page of what steps did on their way, in its order: turns of language models and calls of tools.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn parts(&self, id: ExecutionId, query: &PageQuery) -> Result<Page<Part>, Error> {
        self.list(Call::about(LIST_EXECUTION_PARTS, id), query).await
    }

    /// All of them, page after page.
    pub fn all_parts(&self, id: ExecutionId) -> impl Stream<Item = Result<Part, Error>> {
        let client = self.clone();
        page::all(PageQuery { limit: Some(200), after: None }, move |query| {
            let client = client.clone();
            async move { client.parts(id, &query).await }
        })
    }

    /// A page of the log of an execution, the oldest line first.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn logs(&self, id: ExecutionId, query: &LogQuery) -> Result<Page<LogLine>, Error> {
        self.list(Call::about(LIST_EXECUTION_LOGS, id), query).await
    }

    /// All of it, page after page.
    pub fn all_logs(&self, id: ExecutionId, query: LogQuery) -> impl Stream<Item = Result<LogLine, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.logs(id, &query).await }
        })
    }

    /// Asks for an execution to be cancelled; it may be asked for any number of times.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn cancel(&self, id: ExecutionId) -> Result<Requested, Error> {
        self.ask(Call::about(CANCEL_EXECUTION, id)).await
    }

    /// Asks for an execution to be paused: attempts that run go on to their end, and nothing else of it begins until it is
    /// resumed. It may be asked for any number of times; the first reason stays.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`, `invalid_field` for a reason that is none.
    pub async fn pause(&self, id: ExecutionId, reason: Option<&str>) -> Result<Requested, Error> {
        self.ask(Call::about(PAUSE_EXECUTION, id).json(&json!({ "reason": reason }))?).await
    }

    /// Asks for a paused execution to go on; it may be asked for any number of times.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn resume(&self, id: ExecutionId) -> Result<Requested, Error> {
        self.ask(Call::about(RESUME_EXECUTION, id)).await
    }
}
