//! `turbocat events`, `turbocat approvals` and `turbocat schedules`: what executions wait for, and what starts them.

use chrono::{DateTime, Utc};
use serde_json::json;
use turbocat_client::{Approval, Decision, RefusedStart, Schedule, SentEvent, Tick};
use turbocat_domain::id::WorkflowId;

use super::{input, print};
use crate::{
    args::{ApprovalsCommand, DecisionArgs, EventsCommand, SchedulesCommand},
    desk::Desk,
    report,
};

/// Sends an event.
///
/// # Errors
///
/// If it is not valid, or the desk cannot be reached.
pub(super) async fn events(desk: &Desk, json: bool, command: EventsCommand) -> anyhow::Result<()> {
    let EventsCommand::Send { name, payload } = command;
    let sent = desk.send_event(name, input::read(payload.as_deref())?).await?;
    if json {
        let SentEvent { id, woken, started, refused } = &sent;
        let started: Vec<String> = started.iter().map(ToString::to_string).collect();
        report::json_line(&json!({ "event": id.to_string(), "woken": woken, "started": started, "refused": refused }));
        return Ok(());
    }
    report::line(format!("{}: {} parked executions woken, {} started", sent.id, sent.woken, sent.started.len()));
    sent.started.iter().for_each(|id| report::line(id.to_string()));
    for RefusedStart { workflow, reason } in &sent.refused {
        report::line(format!("not started: {workflow}: {reason}"));
    }
    Ok(())
}

/// Lists what is to be decided, or decides.
///
/// # Errors
///
/// If nothing waits there, the decision is not valid, or the desk cannot be reached.
pub(super) async fn approvals(desk: &Desk, json: bool, command: ApprovalsCommand) -> anyhow::Result<()> {
    match command {
        ApprovalsCommand::List { limit } => list_approvals(desk, json, limit).await,
        ApprovalsCommand::Approve(args) => decide(desk, json, (args, true)).await,
        ApprovalsCommand::Refuse(args) => decide(desk, json, (args, false)).await,
    }
}

/// Lists schedules, or what became of their times.
///
/// # Errors
///
/// If there is no such workflow, or the desk cannot be reached.
pub(super) async fn schedules(desk: &Desk, json: bool, command: SchedulesCommand) -> anyhow::Result<()> {
    match command {
        SchedulesCommand::List { limit } => list_schedules(desk, json, limit).await,
        SchedulesCommand::Ticks { id, limit } => list_ticks(desk, json, (id, limit)).await,
    }
}

async fn list_approvals(desk: &Desk, json: bool, limit: u16) -> anyhow::Result<()> {
    let row = |waiting: &Approval| {
        vec![
            waiting.execution_id.to_string(),
            waiting.path.clone(),
            waiting.workflow.clone(),
            waiting.decisions.len().to_string(),
            if waiting.may_decide { "you" } else { "others" }.to_owned(),
            time(Some(waiting.since)),
        ]
    };
    let line = |waiting: &Approval| {
        json!({
            "execution": waiting.execution_id.to_string(), "path": waiting.path, "workflow": waiting.workflow,
            "since": waiting.since, "rules": waiting.rules, "decisions": waiting.decisions,
            "may_decide": waiting.may_decide,
        })
    };
    let head = ["execution", "path", "workflow", "decisions", "asks", "since (UTC)"];
    print(json, &head, &desk.approvals(limit).await?, (row, line));
    Ok(())
}

async fn decide(desk: &Desk, json: bool, (args, approved): (DecisionArgs, bool)) -> anyhow::Result<()> {
    let data = args.data.map(|text| input::read(Some(&text))).transpose()?;
    let decision = Decision { path: args.path, approved, comment: args.comment, button: args.button, data };
    let decided = desk.decide(args.id, decision).await?;
    if json {
        report::json_line(&json!({ "decision": decided.id.to_string(), "approved": approved }));
    } else {
        report::line(format!("{}: {}", args.id, if approved { "approved" } else { "refused" }));
    }
    Ok(())
}

async fn list_schedules(desk: &Desk, json: bool, limit: u16) -> anyhow::Result<()> {
    let row = |schedule: &Schedule| {
        vec![
            schedule.workflow_id.to_string(),
            schedule.workflow.clone(),
            schedule.cron.clone(),
            schedule.timezone.clone(),
            time(schedule.next_at),
            schedule.last_execution_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        ]
    };
    let line = |schedule: &Schedule| {
        json!({
            "workflow": schedule.workflow_id.to_string(), "name": schedule.workflow, "cron": schedule.cron,
            "timezone": schedule.timezone, "next_at": schedule.next_at, "queued_for": schedule.queued_for,
            "last_execution": schedule.last_execution_id.map(|id| id.to_string()),
        })
    };
    let head = ["workflow", "name", "cron", "zone", "next (UTC)", "last execution"];
    print(json, &head, &desk.schedules(limit).await?, (row, line));
    Ok(())
}

async fn list_ticks(desk: &Desk, json: bool, (id, limit): (WorkflowId, u16)) -> anyhow::Result<()> {
    let row = |tick: &Tick| {
        let execution = tick.execution_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        vec![time(Some(tick.scheduled_for)), tick.verdict.to_string(), execution]
    };
    let line = |tick: &Tick| {
        json!({
            "scheduled_for": tick.scheduled_for, "verdict": tick.verdict.as_str(),
            "execution": tick.execution_id.map(|id| id.to_string()),
        })
    };
    print(json, &["time (UTC)", "verdict", "execution"], &desk.ticks(id, limit).await?, (row, line));
    Ok(())
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string())
}
