//! `turbocat budgets` and `turbocat usage`: how much language models may use, and what they did.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use turbocat_application::{NewBudget, UsageRequest};
use turbocat_domain::{
    budget::{BudgetScope, BudgetStanding, shown},
    port::PageRequest,
    usage::{UsageSum, as_usd, parse_usd, show_usd},
    value::Name,
};

use crate::{
    args::{BudgetSetArgs, BudgetsCommand, GlobalArgs, UsageArgs},
    desk::{Office, origin},
    report,
};

/// The most budgets that are read at once.
const PAGE: u16 = 200;

/// Sets, lists or deletes budgets.
///
/// # Errors
///
/// If it is not valid, is not there, or the database cannot be reached.
pub(super) async fn budgets(url: &str, global: &GlobalArgs, command: BudgetsCommand) -> anyhow::Result<ExitCode> {
    let office = Office::prepared(url, global).await?;
    let done = match command {
        BudgetsCommand::Set(args) => set(&office, args, global.json).await,
        BudgetsCommand::List { user } => list(&office, user.as_deref(), global.json).await,
        BudgetsCommand::Delete { id } => {
            let deleted = office.app.use_cases.on_behalf_of(&origin()).delete_budget(office.actor, id).await;
            if deleted.is_ok() && global.json {
                report::json_line(&json!({ "budget": id.to_string(), "deleted": true }));
            } else if deleted.is_ok() {
                report::line(format!("{id}: deleted"));
            }
            deleted.map_err(Into::into)
        }
    };
    office.app.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn set(office: &Office, args: BudgetSetArgs, json: bool) -> anyhow::Result<()> {
    let unit = args.unit();
    let amount = match (args.tokens, args.usd) {
        (Some(tokens), _) => tokens,
        (None, usd) => usd.and_then(parse_usd).context("--usd must be dollars, from 0 to 1,000,000")?,
    };
    let scope = match (args.agent, args.execution) {
        (Some(name), _) => BudgetScope::Agent(Name::parse(name).context("--agent")?),
        (None, Some(id)) => BudgetScope::Execution(id),
        (None, None) => BudgetScope::User,
    };
    let owner = office.owner(args.user.as_deref()).await?;
    let wanted = NewBudget { scope, unit, period: args.period, amount, owner };
    show(&office.app.use_cases.on_behalf_of(&origin()).set_budget(office.actor, wanted).await?, json);
    Ok(())
}

async fn list(office: &Office, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let owner = office.owner(user).await?;
    let mut page = PageRequest { limit: PAGE, after: None };
    loop {
        let found = office.app.use_cases.budgets(office.actor, owner, page).await?;
        for standing in &found.items {
            show(standing, json);
        }
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

fn show(standing: &BudgetStanding, json: bool) {
    let BudgetStanding { budget, spent, reserved } = standing;
    if json {
        return report::json_line(&json!({
            "id": budget.id.to_string(), "user": budget.user_id.to_string(), "scope": budget.scope.word(),
            "subject": budget.scope.subject(), "unit": budget.unit, "period": budget.period, "amount": budget.amount,
            "spent": spent, "reserved": reserved, "left": standing.left(),
        }));
    }
    let of = match &budget.scope {
        BudgetScope::User => format!("user {}", budget.user_id),
        BudgetScope::Agent(name) => format!("agent {name}"),
        BudgetScope::Execution(id) => id.to_string(),
    };
    let amount = |amount: u64| shown(budget.unit, amount);
    report::line(format!(
        "{}  {of}  {} ({})  used {}  reserved {}  left {}",
        budget.id,
        amount(budget.amount),
        budget.period,
        amount(*spent),
        amount(*reserved),
        amount(standing.left()),
    ));
}

/// Sums what models used.
///
/// # Errors
///
/// If the days are in the wrong order, or the database cannot be reached.
pub(super) async fn usage(url: &str, global: &GlobalArgs, args: UsageArgs) -> anyhow::Result<ExitCode> {
    let office = Office::prepared(url, global).await?;
    let done = sum(&office, args, global.json).await;
    office.app.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn sum(office: &Office, args: UsageArgs, json: bool) -> anyhow::Result<()> {
    let UsageArgs { by, from, to, agent, user, limit } = args;
    let agent = agent.map(Name::parse).transpose().context("--agent")?;
    let owner = office.owner(user.as_deref()).await?;
    let rows =
        office.app.use_cases.usage(office.actor, UsageRequest { owner, from, to, agent, group: by, limit }).await?;
    if rows.is_empty() && !json {
        report::note("no model was asked in these days");
    }
    for row in rows {
        let UsageSum { calls, tokens, nano_usd, unpriced_calls } = row.sum;
        if json {
            report::json_line(&json!({
                "key": row.key, "calls": calls, "input_tokens": tokens.input, "output_tokens": tokens.output,
                "cached_input_tokens": tokens.cached_input, "cost_usd": as_usd(nano_usd),
                "unpriced_calls": unpriced_calls,
            }));
            continue;
        }
        let unpriced =
            if unpriced_calls == 0 { String::new() } else { format!("  ({unpriced_calls} without a price)") };
        report::line(format!(
            "{}  {calls} turns  {} tokens in  {} out  {}{unpriced}",
            row.key,
            tokens.input,
            tokens.output,
            show_usd(nano_usd),
        ));
    }
    Ok(())
}
