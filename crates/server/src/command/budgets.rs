//! `turbocat budgets` and `turbocat usage`: how much language models may use, and what they did.

use anyhow::Context;
use serde_json::json;
use turbocat_application::{NewBudget, UsageRequest};
use turbocat_client::{Budget, Usage, UsageRow};
use turbocat_domain::{
    budget::{BudgetScope, of_number, shown},
    usage::{as_nano_usd, parse_usd, show_usd},
    value::Name,
};

use crate::{
    args::{BudgetSetArgs, BudgetsCommand, UsageArgs},
    desk::Desk,
    report,
};

/// Sets, lists or deletes budgets.
///
/// # Errors
///
/// If it is not valid, is not there, or the desk cannot be reached.
pub(super) async fn budgets(desk: &Desk, json: bool, command: BudgetsCommand) -> anyhow::Result<()> {
    match command {
        BudgetsCommand::Set(args) => set(desk, json, args).await?,
        BudgetsCommand::List { user } => {
            let owner = desk.owner(user.as_deref()).await?;
            for budget in &desk.budgets(owner).await? {
                show(budget, json);
            }
        }
        BudgetsCommand::Delete { id } => {
            desk.delete_budget(id).await?;
            if json {
                report::json_line(&json!({ "budget": id.to_string(), "deleted": true }));
            } else {
                report::line(format!("{id}: deleted"));
            }
        }
    }
    Ok(())
}

async fn set(desk: &Desk, json: bool, args: BudgetSetArgs) -> anyhow::Result<()> {
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
    let owner = desk.owner(args.user.as_deref()).await?;
    show(&desk.set_budget(NewBudget { scope, unit, period: args.period, amount, owner }).await?, json);
    Ok(())
}

fn show(budget: &Budget, json: bool) {
    let Budget { id, user_id, scope, subject, unit, period, .. } = budget;
    let whole = |amount: f64| of_number(*unit, amount);
    let (amount, left) = (whole(budget.amount), whole(budget.left));
    let (spent, reserved) = (whole(budget.spent), whole(budget.reserved));
    if json {
        return report::json_line(&json!({
            "id": id.to_string(), "user": user_id.to_string(), "scope": scope, "subject": subject, "unit": unit,
            "period": period, "amount": amount, "spent": spent, "reserved": reserved, "left": left,
        }));
    }
    let of = match (scope.as_str(), subject) {
        ("execution", Some(id)) => id.clone(),
        (scope, Some(name)) => format!("{scope} {name}"),
        (_, None) => format!("user {user_id}"),
    };
    let shown = |amount: u64| shown(*unit, amount);
    report::line(format!(
        "{id}  {of}  {} ({period})  used {}  reserved {}  left {}",
        shown(amount),
        shown(spent),
        shown(reserved),
        shown(left),
    ));
}

/// Sums what models used.
///
/// # Errors
///
/// If the days are in the wrong order, or the desk cannot be reached.
pub(super) async fn usage(desk: &Desk, json: bool, args: UsageArgs) -> anyhow::Result<()> {
    let UsageArgs { by, from, to, agent, user, limit } = args;
    let agent = agent.map(Name::parse).transpose().context("--agent")?;
    let owner = desk.owner(user.as_deref()).await?;
    let rows = desk.usage(UsageRequest { owner, from, to, agent, group: by, limit }).await?;
    if rows.is_empty() && !json {
        report::note("no model was asked in these days");
    }
    for UsageRow { key, usage } in rows {
        let Usage { calls, input_tokens, output_tokens, cached_input_tokens, cost_usd, unpriced_calls } = usage;
        if json {
            report::json_line(&json!({
                "key": key, "calls": calls, "input_tokens": input_tokens, "output_tokens": output_tokens,
                "cached_input_tokens": cached_input_tokens, "cost_usd": cost_usd, "unpriced_calls": unpriced_calls,
            }));
            continue;
        }
        let unpriced =
            if unpriced_calls == 0 { String::new() } else { format!("  ({unpriced_calls} without a price)") };
        let cost = show_usd(as_nano_usd(cost_usd));
        report::line(format!("{key}  {calls} turns  {input_tokens} tokens in  {output_tokens} out  {cost}{unpriced}"));
    }
    Ok(())
}
