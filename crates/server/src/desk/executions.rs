//! Executions.

use std::{
    collections::{HashMap, hash_map::Entry},
    pin::pin,
    time::Duration,
};

use anyhow::bail;
use futures_util::TryStreamExt;
use serde_json::json;
use turbocat_application::{Idempotency, Selector, StartExecution as Wanted};
use turbocat_client::{
    Client, Execution, ExecutionEvent, ExecutionQuery, LogLine, LogQuery, Part, StartExecution, Started, Step,
    WorkflowQuery, WorkflowStatus,
};
use turbocat_domain::{
    execution::TriggerType,
    id::{ExecutionId, WorkflowId},
    port::{Cursor, ExecutionFilter, IdGenerator, LogFilter, PageRequest, Queries},
};

use super::{Desk, Office, seen, seen_all};
use crate::adapter::UuidV7;

/// How many lines of a log, and parts of steps, are read at once.
const PAGE: u16 = 200;
/// How often a database is asked for news.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Desk {
    /// Starts an execution.
    pub(crate) async fn start(&self, wanted: StartExecution) -> anyhow::Result<Started> {
        match self {
            Self::Database(office) => office.start(wanted).await,
            Self::Server(client) => Ok(client.start(&wanted).await?),
        }
    }

    /// The newest executions.
    pub(crate) async fn executions(&self, query: &ExecutionQuery) -> anyhow::Result<Vec<Execution>> {
        match self {
            Self::Database(office) => {
                let filter =
                    ExecutionFilter { workflow: query.workflow_id, status: query.status, ..ExecutionFilter::default() };
                let page = PageRequest { limit: query.limit.unwrap_or(PageRequest::default().limit), after: None };
                seen_all(office.app.store.executions().list(&filter, page).await?.items)
            }
            Self::Server(client) => Ok(client.executions(query).await?.items),
        }
    }

    /// An execution.
    pub(crate) async fn execution(&self, id: ExecutionId) -> anyhow::Result<Execution> {
        match self {
            Self::Database(office) => seen(office.app.use_cases.execution(office.actor, id).await?),
            Self::Server(client) => Ok(client.execution(id).await?),
        }
    }

    /// An execution once it has ended.
    pub(crate) async fn ended(&self, id: ExecutionId) -> anyhow::Result<Execution> {
        if let Self::Server(client) = self {
            return Ok(client.wait(id).await?);
        }
        loop {
            let execution = self.execution(id).await?;
            if execution.status.is_terminal() {
                return Ok(execution);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What its steps have recorded.
    pub(crate) async fn steps(&self, id: ExecutionId) -> anyhow::Result<Vec<Step>> {
        match self {
            Self::Database(office) => seen_all(office.app.store.executions().step_records(id).await?),
            Self::Server(client) => Ok(client.steps(id).await?),
        }
    }

    /// All turns and calls of its steps.
    pub(crate) async fn parts(&self, id: ExecutionId) -> anyhow::Result<Vec<Part>> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.all_parts(id).try_collect().await?),
        };
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest { limit: PAGE, after };
            let page = office.app.use_cases.execution_parts(office.actor, id, page).await?;
            parts.extend(page.items);
            after = page.next;
            if after.is_none() {
                return seen_all(parts);
            }
        }
    }

    /// Shows the log of an execution; on and on until its end if that is wanted.
    pub(crate) async fn logs(
        &self,
        id: ExecutionId,
        (query, follow): (LogQuery, bool),
        show: &mut (dyn FnMut(&LogLine) + Send),
    ) -> anyhow::Result<()> {
        match self {
            Self::Database(office) => office.logs(id, (query, follow), show).await,
            Self::Server(client) if follow => follow_log(client, id, &query, show).await,
            Self::Server(client) => {
                let mut lines = pin!(client.all_logs(id, query));
                while let Some(line) = lines.try_next().await? {
                    show(&line);
                }
                Ok(())
            }
        }
    }

    /// Asks for an execution to be cancelled: `requested`, or `ended` if it had ended before.
    pub(crate) async fn cancel(&self, id: ExecutionId) -> anyhow::Result<String> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.cancel(id).await?.outcome),
        };
        Ok(office.app.use_cases.cancel_execution(office.actor, id).await?.as_str().to_owned())
    }

    /// Asks for an execution to be paused: `requested`, or `ended` if it had ended before.
    pub(crate) async fn pause(&self, id: ExecutionId, reason: Option<String>) -> anyhow::Result<String> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.pause(id, reason.as_deref()).await?.outcome),
        };
        Ok(office.app.use_cases.pause_execution(office.actor, id, reason).await?.as_str().to_owned())
    }

    /// Asks for an execution to go on: `requested`, or `ended` if it had ended before.
    pub(crate) async fn resume(&self, id: ExecutionId) -> anyhow::Result<String> {
        let office = match self {
            Self::Database(office) => office,
            Self::Server(client) => return Ok(client.resume(id).await?.outcome),
        };
        Ok(office.app.use_cases.resume_execution(office.actor, id).await?.as_str().to_owned())
    }

    /// The active version of a workflow.
    pub(crate) async fn active_workflow(&self, name: &str) -> anyhow::Result<WorkflowId> {
        match self {
            Self::Database(office) => {
                let selector = Selector::Name(name.to_owned());
                Ok(office.app.use_cases.workflow(office.actor, &selector).await?.id)
            }
            Self::Server(client) => active_workflow(client, name).await,
        }
    }

    /// The names and versions of the workflows of executions.
    pub(crate) async fn workflow_names(&self, executions: &[Execution]) -> anyhow::Result<HashMap<WorkflowId, String>> {
        let mut names = HashMap::new();
        for id in executions.iter().map(|execution| execution.workflow_id) {
            if let Entry::Vacant(place) = names.entry(id) {
                place.insert(self.workflow_name(id).await?);
            }
        }
        Ok(names)
    }

    async fn workflow_name(&self, id: WorkflowId) -> anyhow::Result<String> {
        match self {
            Self::Database(office) => {
                let workflow = office.app.store.workflows().get(id).await?;
                Ok(format!("{} v{}", workflow.name, workflow.version))
            }
            Self::Server(client) => match client.workflow(id).await {
                Ok(workflow) => Ok(format!("{} v{}", workflow.name, workflow.version)),
                // Deleted, or none of the key's business: the execution can still be shown.
                Err(error) if error.is("not_found") || error.is("forbidden") => Ok(id.to_string()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// The lines that a stream of all that happens has among the rest.
async fn follow_log(
    client: &Client,
    id: ExecutionId,
    query: &LogQuery,
    show: &mut (dyn FnMut(&LogLine) + Send),
) -> anyhow::Result<()> {
    let mut events = pin!(client.follow(id));
    while let Some(followed) = events.try_next().await? {
        if let ExecutionEvent::Log(line) = followed.event
            && query.level.is_none_or(|level| line.level >= level)
            && (query.step_key.is_none() || query.step_key == line.step_key)
        {
            show(&line);
        }
    }
    Ok(())
}

impl Office {
    async fn logs(
        &self,
        id: ExecutionId,
        (query, follow): (LogQuery, bool),
        show: &mut (dyn FnMut(&LogLine) + Send),
    ) -> anyhow::Result<()> {
        let filter = LogFilter { min_level: query.level, step_key: query.step_key };
        let mut after = None;
        loop {
            // Looked at before the log: what is written later than the end is in the log by then.
            let ended = self.app.use_cases.execution(self.actor, id).await?.status.is_terminal();
            loop {
                let page = PageRequest { limit: PAGE, after };
                let page = self.app.store.executions().logs(id, &filter, page).await?;
                if let Some(last) = page.items.last() {
                    after = Some(Cursor { created_at: last.created_at, id: last.id.as_uuid() });
                }
                let is_last = page.next.is_none();
                let lines: Vec<LogLine> = seen_all(page.items)?;
                lines.iter().for_each(&mut *show);
                if is_last {
                    break;
                }
            }
            if ended || !follow {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn start(&self, wanted: StartExecution) -> anyhow::Result<Started> {
        let body = serde_json::to_vec(&wanted)?;
        let request = Wanted {
            id: ExecutionId::from_uuid(UuidV7.next()),
            workflow: match (wanted.workflow, wanted.workflow_id) {
                (_, Some(id)) => Selector::Id(id),
                (Some(name), None) => Selector::Name(name),
                (None, None) => bail!("a workflow is needed"),
            },
            input: wanted.input,
            trigger_type: TriggerType::Manual,
            trigger_data: json!({ "source": "command line" }),
        };
        let (use_cases, store) = (&self.app.use_cases, &self.app.store);
        let started = match wanted.idempotency_key {
            // As the API has it, so that a key is one start however it is asked for.
            Some(key) => {
                let once = Idempotency::new(&key, "executions.start", &body)?;
                use_cases.start_once((self.actor, &once), store, request).await?
            }
            None => use_cases.start(self.actor, store, request).await?,
        };
        self.hint().await?;
        Ok(Started { id: started.id, workflow_id: started.workflow_id })
    }
}

/// One's own before a public one, as a start has it.
async fn active_workflow(client: &Client, name: &str) -> anyhow::Result<WorkflowId> {
    let query = WorkflowQuery {
        name: Some(name.to_owned()),
        status: Some(WorkflowStatus::Active),
        public: true,
        ..WorkflowQuery::default()
    };
    let found = client.workflows(&query).await?.items;
    match found.as_slice() {
        [] => bail!("there is no workflow `{name}`"),
        [only] => Ok(only.id),
        [first, ..] => {
            let me = client.me().await?.user.id;
            Ok(found.iter().find(|workflow| workflow.user_id == me).unwrap_or(first).id)
        }
    }
}
