//! `turbocat executions`: what ran, what runs, and why it did not.

mod show;

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use serde_json::{Value, json};
use turbocat_client::{Execution, ExecutionQuery, LogLine, LogQuery, StartExecution};
use turbocat_domain::id::ExecutionId;

use self::show::{Shown, described, took};
use super::{input, print, run::show_end};
use crate::{
    args::{ExecutionsCommand, ListArgs, LogsArgs, StartArgs},
    desk::Desk,
    report, signals, view,
};

/// How many lines of a log are read at once.
const LOG_PAGE: u16 = 200;

/// Does what is asked about executions.
///
/// # Errors
///
/// If the execution does not exist, or where it is cannot be reached.
pub(super) async fn run(desk: &Desk, json: bool, command: ExecutionsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ExecutionsCommand::List(args) => list(desk, json, &args).await?,
        ExecutionsCommand::Show { id } => show(desk, json, id).await?,
        ExecutionsCommand::Start(args) => return start(desk, json, args).await,
        ExecutionsCommand::Wait { id, timeout } => return wait(desk, json, (id, timeout)).await,
        ExecutionsCommand::Logs(args) => logs(desk, json, &args).await?,
        ExecutionsCommand::Cancel { id } => {
            let done = "will be cancelled by the process that has it, or by the next `turbocat up`";
            asked(json, id, ("cancel", &desk.cancel(id).await?), done);
        }
        ExecutionsCommand::Pause { id, reason } => {
            asked(json, id, ("pause", &desk.pause(id, reason).await?), "begins nothing until it is resumed");
        }
        ExecutionsCommand::Resume { id } => {
            let done = "goes on in the process that has it, or with the next `turbocat up`";
            asked(json, id, ("resume", &desk.resume(id).await?), done);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, json: bool, args: &ListArgs) -> anyhow::Result<()> {
    let workflow_id = match &args.workflow {
        Some(name) => Some(desk.active_workflow(name).await?),
        None => None,
    };
    let query =
        ExecutionQuery { workflow_id, status: args.status, limit: Some(args.limit), ..ExecutionQuery::default() };
    let executions = desk.executions(&query).await?;
    // For programs the id of the workflow is enough.
    let names = if json { None } else { Some(desk.workflow_names(&executions).await?) };
    let row = |execution: &Execution| {
        let name = names.as_ref().and_then(|names| names.get(&execution.workflow_id)).cloned();
        vec![
            execution.id.to_string(),
            execution.status.to_string(),
            name.unwrap_or_default(),
            steps(execution),
            took(execution),
            execution.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        ]
    };
    let head = ["execution", "status", "workflow", "steps", "took", "accepted (UTC)"];
    print(json, &head, &executions, (row, |execution| described(execution).into()));
    Ok(())
}

async fn show(desk: &Desk, json: bool, id: ExecutionId) -> anyhow::Result<()> {
    let execution = desk.execution(id).await?;
    let names = desk.workflow_names(std::slice::from_ref(&execution)).await?;
    let workflow = names.into_values().next().unwrap_or_default();
    let (steps, parts) = (desk.steps(id).await?, desk.parts(id).await?);
    let shown = Shown { execution, workflow, steps, parts };
    if json {
        report::json_line(&shown.json());
    } else {
        shown.print();
    }
    Ok(())
}

async fn start(desk: &Desk, json: bool, args: StartArgs) -> anyhow::Result<ExitCode> {
    let wanted = StartExecution::named(args.workflow).with_input(input::read(args.input.as_deref())?);
    let started = desk.start(StartExecution { idempotency_key: args.idempotency_key, ..wanted }).await?;
    if args.wait {
        return wait(desk, json, (started.id, None)).await;
    }
    if json {
        let (execution, workflow) = (started.id.to_string(), started.workflow_id.to_string());
        report::json_line(&json!({ "execution": execution, "workflow_id": workflow }));
    } else {
        report::line(started.id.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end, and prints it as `run` does.
async fn wait(desk: &Desk, json: bool, (id, timeout): (ExecutionId, Option<u64>)) -> anyhow::Result<ExitCode> {
    let stop = signals::shutdown_token()?;
    let patience = timeout.map_or(Duration::MAX, Duration::from_secs);
    let execution = tokio::select! {
        ended = tokio::time::timeout(patience, desk.ended(id)) => match ended {
            Ok(ended) => ended?,
            Err(_) => bail!("{id} has not ended within {} s", patience.as_secs()),
        },
        () = stop.cancelled() => return Ok(ExitCode::from(signals::INTERRUPTED)),
    };
    Ok(show_end(view::choose(json).as_mut(), execution))
}

async fn logs(desk: &Desk, json: bool, args: &LogsArgs) -> anyhow::Result<()> {
    let stop = signals::shutdown_token()?;
    let query = LogQuery { level: args.level, step_key: args.step.clone(), limit: Some(LOG_PAGE), after: None };
    let mut show = |line: &LogLine| print_line(line, json);
    tokio::select! {
        read = desk.logs(args.id, (query, args.follow), &mut show) => read,
        () = stop.cancelled() => Ok(()),
    }
}

fn print_line(line: &LogLine, json: bool) {
    // Lines of an agent know which of the steps of a loop or a map they are of.
    let path = line.metadata.get("path").and_then(Value::as_str).map(str::to_owned);
    let step = path.or_else(|| line.step_key.clone());
    if json {
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

/// Tells what became of a request.
fn asked(json: bool, id: ExecutionId, (verb, outcome): (&str, &str), requested: &str) {
    let sentence = match outcome {
        "requested" => requested,
        "ended" => "had ended before",
        _ => "does not exist",
    };
    if json {
        report::json_line(&json!({ "execution": id.to_string(), verb: outcome }));
    } else {
        report::line(format!("{id} {sentence}"));
    }
}

/// How many steps were completed, of how many; while it runs that is not counted.
fn steps(execution: &Execution) -> String {
    let completed = if execution.status.is_terminal() { execution.steps_completed.to_string() } else { "-".to_owned() };
    format!("{completed}/{}", execution.steps_total)
}
