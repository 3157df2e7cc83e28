//! `turbocat events`, `turbocat approvals` and `turbocat schedules`: what executions wait for, and what starts them.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde_json::json;
use turbocat_application::{RefusedStart, SendEvent, SentEvent};
use turbocat_domain::{
    approval::{Decision, WaitingApproval},
    id::WorkflowId,
    port::{PageRequest, StoredSchedule},
};

use super::{asked::Asked, input};
use crate::{
    args::{ApprovalsCommand, DecisionArgs, EventsCommand, GlobalArgs, SchedulesCommand},
    report,
};

/// Sends an event.
///
/// # Errors
///
/// If it is not valid, or the database cannot be reached.
pub(super) async fn events(url: &str, global: &GlobalArgs, command: EventsCommand) -> anyhow::Result<ExitCode> {
    let EventsCommand::Send { name, payload } = command;
    let payload = input::read(payload.as_deref())?;
    let asked = Asked::new(url, global).await?;
    let event = SendEvent { name, payload, target: None };
    let (sent, _) = asked.app.use_cases.send_event((asked.actor, None), event).await?;
    asked.app.store.hint().await?;
    if global.json {
        let SentEvent { id, woken, started, refused } = &sent;
        report::json_line(&json!({ "event": id, "woken": woken, "started": started, "refused": refused }));
    } else {
        report::line(format!("{}: {} parked executions woken, {} started", sent.id, sent.woken, sent.started.len()));
        sent.started.iter().for_each(|id| report::line(id.to_string()));
        for RefusedStart { workflow, reason } in &sent.refused {
            report::line(format!("not started: {workflow}: {reason}"));
        }
    }
    asked.end().await
}

/// Lists what is to be decided, or decides.
///
/// # Errors
///
/// If nothing waits there, the decision is not valid, or the database cannot be reached.
pub(super) async fn approvals(url: &str, global: &GlobalArgs, command: ApprovalsCommand) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(url, global).await?;
    match command {
        ApprovalsCommand::List { limit } => asked.list_approvals(limit).await?,
        ApprovalsCommand::Approve(args) => asked.decide(args, true).await?,
        ApprovalsCommand::Refuse(args) => asked.decide(args, false).await?,
    }
    asked.end().await
}

/// Lists schedules, or what became of their times.
///
/// # Errors
///
/// If there is no such workflow, or the database cannot be reached.
pub(super) async fn schedules(url: &str, global: &GlobalArgs, command: SchedulesCommand) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(url, global).await?;
    match command {
        SchedulesCommand::List { limit } => asked.list_schedules(limit).await?,
        SchedulesCommand::Ticks { id, limit } => asked.list_ticks(id, limit).await?,
    }
    asked.end().await
}

impl Asked {
    async fn list_approvals(&self, limit: u16) -> anyhow::Result<()> {
        let page = PageRequest { limit, after: None };
        let found = self.app.use_cases.approvals(self.actor, None, page).await?.items;
        let row = |(waiting, may_decide): &(WaitingApproval, bool)| {
            vec![
                waiting.execution_id.to_string(),
                waiting.path.clone(),
                waiting.workflow_name.clone(),
                waiting.decisions.len().to_string(),
                if *may_decide { "you" } else { "others" }.to_owned(),
                time(Some(waiting.since)),
            ]
        };
        let line = |(waiting, may_decide): &(WaitingApproval, bool)| {
            json!({
                "execution": waiting.execution_id.to_string(), "path": waiting.path,
                "workflow": waiting.workflow_name, "since": waiting.since, "rules": waiting.rules,
                "decisions": waiting.decisions, "may_decide": may_decide,
            })
        };
        let head = ["execution", "path", "workflow", "decisions", "asks", "since (UTC)"];
        self.print(&head, &found, (row, line));
        Ok(())
    }

    async fn decide(&self, args: DecisionArgs, approved: bool) -> anyhow::Result<()> {
        let data = args.data.map(|text| input::read(Some(&text))).transpose()?;
        let decision = Decision { approved, comment: args.comment, button: args.button, data };
        let place = (args.id, args.path);
        let id = self.app.use_cases.decide_approval(self.actor, place, decision).await?;
        // Its owner may be another process; it looks by itself, only later.
        self.app.store.hint().await?;
        if self.json {
            report::json_line(&json!({ "decision": id.to_string(), "approved": approved }));
        } else {
            report::line(format!("{}: {}", args.id, if approved { "approved" } else { "refused" }));
        }
        Ok(())
    }

    async fn list_schedules(&self, limit: u16) -> anyhow::Result<()> {
        let page = PageRequest { limit, after: None };
        let found = self.app.use_cases.schedules(self.actor, page).await?.items;
        let row = |stored: &StoredSchedule| {
            vec![
                stored.workflow_id.to_string(),
                stored.name.clone(),
                stored.schedule.cron.to_string(),
                stored.schedule.timezone.to_string(),
                time(stored.state.next_at),
                stored.last_execution.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            ]
        };
        let line = |stored: &StoredSchedule| {
            json!({
                "workflow": stored.workflow_id.to_string(), "name": stored.name, "cron": stored.schedule.cron,
                "timezone": stored.schedule.timezone, "next_at": stored.state.next_at,
                "queued_for": stored.state.queued_for,
                "last_execution": stored.last_execution.map(|id| id.to_string()),
            })
        };
        self.print(&["workflow", "name", "cron", "zone", "next (UTC)", "last execution"], &found, (row, line));
        Ok(())
    }

    async fn list_ticks(&self, id: WorkflowId, limit: u16) -> anyhow::Result<()> {
        let found = self.app.use_cases.schedule_ticks(self.actor, id, limit).await?;
        let row = |tick: &turbocat_domain::port::StoredTick| {
            let execution = tick.execution.map_or_else(|| "-".to_owned(), |id| id.to_string());
            vec![time(Some(tick.scheduled_for)), tick.verdict.to_string(), execution]
        };
        let line = |tick: &turbocat_domain::port::StoredTick| {
            json!({
                "scheduled_for": tick.scheduled_for, "verdict": tick.verdict.as_str(),
                "execution": tick.execution.map(|id| id.to_string()),
            })
        };
        self.print(&["time (UTC)", "verdict", "execution"], &found, (row, line));
        Ok(())
    }
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string())
}
