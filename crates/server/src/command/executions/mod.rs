//! `turbocat executions`: what ran, what runs, and why it did not.

mod show;

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};
use turbocat_application::{Actor, Selector};
use turbocat_domain::{
    execution::Execution,
    execution_log::ExecutionLog,
    id::ExecutionId,
    port::{CancelOutcome, Cursor, ExecutionFilter, LogFilter, PageRequest, PartRecord, Queries},
};

use self::show::{Shown, described, took};
use crate::{
    args::{ExecutionsCommand, GlobalArgs, ListArgs, LogsArgs},
    report, signals, view,
    wire::App,
};

/// How many lines of a log, and parts of steps, are read at once.
const LOG_PAGE: u16 = 200;
/// How often a log that is followed is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Does what is asked about executions.
///
/// # Errors
///
/// If the execution does not exist, or the database cannot be read.
pub(super) async fn run(url: &str, global: &GlobalArgs, command: ExecutionsCommand) -> anyhow::Result<ExitCode> {
    let app = App::connect(url, global).await?;
    // Who can start the binary on a database is its administrator. Looking makes nothing.
    let actor = app.use_cases.administrator().await?.context("there is no account yet: run `turbocat seed`")?;
    let asked = Asked { app: &app, actor, json: global.json };
    match command {
        ExecutionsCommand::List(args) => asked.list(&args).await?,
        ExecutionsCommand::Show { id } => asked.show(id).await?,
        ExecutionsCommand::Logs(args) => asked.logs(&args).await?,
        ExecutionsCommand::Cancel { id } => asked.cancel(id).await?,
    }
    app.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Who asks, and in which form the answer is wanted.
struct Asked<'a> {
    app: &'a App,
    actor: Actor,
    json: bool,
}

impl Asked<'_> {
    async fn list(&self, args: &ListArgs) -> anyhow::Result<()> {
        let workflow = match &args.workflow {
            Some(name) => Some(self.app.use_cases.workflow(self.actor, &Selector::Name(name.clone())).await?.id),
            None => None,
        };
        let filter = ExecutionFilter { workflow, status: args.status, ..ExecutionFilter::default() };
        let page = PageRequest { limit: args.limit, after: None };
        let executions = self.app.store.executions().list(&filter, page).await?.items;
        if self.json {
            for execution in &executions {
                report::json_line(&described(execution));
            }
            return Ok(());
        }
        let mut rows = Vec::with_capacity(executions.len());
        for execution in &executions {
            rows.push(vec![
                execution.id.to_string(),
                execution.status.to_string(),
                self.workflow_name(execution).await?,
                steps(execution),
                took(execution),
                execution.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            ]);
        }
        if rows.is_empty() {
            report::note("there are none");
            return Ok(());
        }
        report::line(view::table(&["execution", "status", "workflow", "steps", "took", "accepted (UTC)"], &rows));
        Ok(())
    }

    async fn show(&self, id: ExecutionId) -> anyhow::Result<()> {
        let execution = self.app.use_cases.execution(self.actor, id).await?;
        let records = self.app.store.executions().step_records(id).await?;
        let workflow = self.workflow_name(&execution).await?;
        let parts = self.parts(id).await?;
        let shown = Shown { execution, workflow, records, parts };
        if self.json {
            report::json_line(&shown.json());
        } else {
            shown.print();
        }
        Ok(())
    }

    /// All turns and calls of its steps.
    async fn parts(&self, id: ExecutionId) -> anyhow::Result<Vec<PartRecord>> {
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let page =
                self.app.use_cases.execution_parts(self.actor, id, PageRequest { limit: LOG_PAGE, after }).await?;
            parts.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(parts);
            }
        }
    }

    async fn logs(&self, args: &LogsArgs) -> anyhow::Result<()> {
        let stop = signals::shutdown_token()?;
        let filter = LogFilter { min_level: args.level, step_key: args.step.clone() };
        let mut after = None;
        loop {
            // Looked at before the log: what is written later than the end is in the log by then.
            let ended = self.app.use_cases.execution(self.actor, args.id).await?.status.is_terminal();
            after = self.print_log(args.id, &filter, after).await?;
            if ended || !args.follow {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Prints the log from there on, and returns where it ended.
    async fn print_log(
        &self,
        id: ExecutionId,
        filter: &LogFilter,
        mut after: Option<Cursor>,
    ) -> anyhow::Result<Option<Cursor>> {
        loop {
            let page = PageRequest { limit: LOG_PAGE, after };
            let page = self.app.store.executions().logs(id, filter, page).await?;
            page.items.iter().for_each(|line| self.print_line(line));
            if let Some(last) = page.items.last() {
                after = Some(Cursor { created_at: last.created_at, id: last.id.as_uuid() });
            }
            if page.next.is_none() {
                return Ok(after);
            }
        }
    }

    fn print_line(&self, line: &ExecutionLog) {
        // Lines of an agent know which of the steps of a loop or a map they are of.
        let path = line.metadata.get("path").and_then(Value::as_str).map(str::to_owned);
        let step = path.or_else(|| line.step_key.as_ref().map(ToString::to_string));
        if self.json {
            report::json_line(&json!({
                "at": line.created_at, "level": line.level, "step": step, "status": line.step_status,
                "message": line.message, "metadata": line.metadata,
            }));
            return;
        }
        let at = line.created_at.format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let message = view::harmless(&line.message);
        report::line(format!("{at} {:<5} {:<24} {message}", line.level, step.unwrap_or_default()));
    }

    async fn cancel(&self, id: ExecutionId) -> anyhow::Result<()> {
        let outcome = self.app.use_cases.cancel_execution(self.actor, id).await?;
        // Its owner may be another process; it looks by itself, only later.
        self.app.store.hint().await?;
        let (word, sentence) = match outcome {
            CancelOutcome::Requested => {
                ("requested", "will be cancelled by the process that has it, or by the next `turbocat up`")
            }
            CancelOutcome::Ended => ("ended", "had ended before"),
            CancelOutcome::Unknown => ("unknown", "does not exist"),
        };
        if self.json {
            report::json_line(&json!({ "execution": id.to_string(), "cancel": word }));
        } else {
            report::line(format!("{id} {sentence}"));
        }
        Ok(())
    }

    async fn workflow_name(&self, execution: &Execution) -> anyhow::Result<String> {
        let workflow = self.app.store.workflows().get(execution.workflow_id).await?;
        Ok(format!("{} v{}", workflow.name, workflow.version))
    }
}

/// How many steps were completed, of how many; while it runs that is not counted.
fn steps(execution: &Execution) -> String {
    let completed = if execution.status.is_terminal() { execution.steps_completed.to_string() } else { "-".to_owned() };
    format!("{completed}/{}", execution.steps_total)
}
