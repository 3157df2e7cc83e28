//! `/budgets` and `/usage`: how much language models may use, and what they did.

use axum::{Json as Answer, extract, http::StatusCode};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use turbocat_application::{NewBudget, UsageRequest};
use turbocat_domain::{
    budget::{AMOUNT_MAX, BudgetScope, BudgetUnit},
    id::{BudgetId, ExecutionId, UserId},
    permission::Permission,
    port::UsageRow,
    usage::{UsageGroup, parse_usd},
    value::Name,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::query::id;
use crate::{
    Needs, Problem, State,
    api::Api,
    auth::Who,
    detached::detached,
    extract::{Id, Json, Params},
    page::{self, PageView, refused},
    view::{BudgetView, UsageRowView, UsageView},
    words::{BudgetPeriodWord, BudgetUnitWord, UsageGroupWord},
};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    let (read, write) = (Needs::Permission(Permission::BudgetsRead), Needs::Permission(Permission::BudgetsWrite));
    let usage = Needs::Permission(Permission::UsageRead);
    api.route(read, routes!(list_budgets))
        .route(write, routes!(set_budget))
        .route(read, routes!(show_budget))
        .route(write, routes!(delete_budget))
        .route(usage, routes!(sum_usage))
        .route(usage, routes!(show_execution_usage))
}

/// A budget that is to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BudgetBody {
    /// What it is for: `user`, `agent` or `execution`.
    #[schema(min_length = 1, max_length = 20)]
    scope: String,
    /// The name of the agent, or the id of the execution; nothing for that of a user.
    #[serde(default)]
    #[schema(max_length = 255)]
    subject: Option<String>,
    /// What it counts.
    unit: BudgetUnitWord,
    /// For how long it is, in UTC; `total` for that of an execution.
    period: BudgetPeriodWord,
    /// How much may be used: tokens, or dollars where the unit is `usd`.
    #[schema(minimum = 0)]
    amount: f64,
    /// Whose executions it is for; who asks, unless an administrator names another.
    user_id: Option<String>,
}

/// Sets a budget. One of the same user, scope, subject, unit and period gets the new amount; executions that wait for it
/// go on. Budgets of users are set by administrators.
#[utoipa::path(
    put, path = "/api/v1/budgets", tag = "budgets", operation_id = "set_budget", request_body = BudgetBody,
    responses((status = 200, description = "Set", body = BudgetView))
)]
async fn set_budget(
    extract::State(state): extract::State<State>,
    who: Who,
    body: Json<BudgetBody>,
) -> Result<Answer<BudgetView>, Problem> {
    let BudgetBody { scope, subject, unit, period, amount, user_id } = body.value;
    let owner = user_id.as_deref().map(|text| field("user_id", text.parse::<UserId>())).transpose()?;
    let scope = scope_of(&scope, subject.as_deref())?;
    let amount = amount_of(unit.0, amount)?;
    let wanted = NewBudget { scope, unit: unit.0, period: period.0, amount, owner };
    let set = detached(async move { state.use_cases.on_behalf_of(&who.origin).set_budget(who.actor(), wanted).await })
        .await?;
    Ok(Answer(set.into()))
}

fn scope_of(word: &str, subject: Option<&str>) -> Result<BudgetScope, Problem> {
    match (word, subject) {
        ("user", None) => Ok(BudgetScope::User),
        ("user", Some(_)) => Err(invalid("subject", "that of a user has none: `user_id` says whose it is".to_owned())),
        ("agent", Some(name)) => field("subject", Name::parse(name)).map(BudgetScope::Agent),
        ("execution", Some(id)) => field("subject", id.parse::<ExecutionId>()).map(BudgetScope::Execution),
        ("agent" | "execution", None) => Err(invalid("subject", format!("name the {word}"))),
        _ => Err(invalid("scope", format!("it must be one of {}", BudgetScope::WORDS.join(", ")))),
    }
}

fn amount_of(unit: BudgetUnit, amount: f64) -> Result<u64, Problem> {
    let read = match unit {
        BudgetUnit::Usd => parse_usd(amount),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a whole number in the range of the column"
        )]
        BudgetUnit::Tokens => {
            (amount.fract() == 0.0 && (0.0..AMOUNT_MAX as f64).contains(&amount)).then_some(amount as u64)
        }
    };
    read.ok_or_else(|| {
        let message = match unit {
            BudgetUnit::Usd => "it must be dollars, from 0 to 1,000,000",
            BudgetUnit::Tokens => "it must be a whole number of tokens",
        };
        invalid("amount", message.to_owned())
    })
}

fn field<T, E: ToString>(name: &str, read: Result<T, E>) -> Result<T, Problem> {
    read.map_err(|error| invalid(name, error.to_string()))
}

fn invalid(name: &str, message: String) -> Problem {
    Problem::invalid_field(format!("/{name}"), message)
}

/// Which budgets are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BudgetQuery {
    /// Whose; without, of who asks, and everybody's for an administrator.
    user_id: Option<String>,
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Where the page before ended: its `next`.
    #[param(max_length = 64)]
    after: Option<String>,
}

/// Budgets and how they stand, the newest first.
#[utoipa::path(
    get, path = "/api/v1/budgets", tag = "budgets", operation_id = "list_budgets", params(BudgetQuery),
    responses((status = 200, description = "A page of budgets", body = PageView<BudgetView>))
)]
async fn list_budgets(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<BudgetQuery>,
) -> Result<Answer<PageView<BudgetView>>, Problem> {
    let page = page::request(query.limit, query.after.as_deref())?;
    let owner = query.user_id.as_deref().map(|text| id("user_id", text)).transpose()?;
    Ok(Answer(PageView::of(state.use_cases.budgets(who.actor(), owner, page).await?)))
}

/// A budget, and how it stands.
#[utoipa::path(
    get, path = "/api/v1/budgets/{id}", tag = "budgets", operation_id = "show_budget",
    params(("id" = String, Path, description = "The budget")),
    responses((status = 200, description = "The budget", body = BudgetView))
)]
async fn show_budget(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<BudgetId>,
) -> Result<Answer<BudgetView>, Problem> {
    Ok(Answer(state.use_cases.budget(who.actor(), id).await?.into()))
}

/// Deletes a budget: executions that wait for it go on.
#[utoipa::path(
    delete, path = "/api/v1/budgets/{id}", tag = "budgets", operation_id = "delete_budget",
    params(("id" = String, Path, description = "The budget")),
    responses((status = 204, description = "Deleted"))
)]
async fn delete_budget(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<BudgetId>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.use_cases.on_behalf_of(&who.origin).delete_budget(who.actor(), id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which usage is summed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// By what it is summed; by `day` without.
    #[param(inline)]
    group: Option<UsageGroupWord>,
    /// The first day, in UTC: `2026-01-31`; 30 days before the last without.
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, in UTC; today without.
    #[param(format = Date)]
    to: Option<String>,
    /// Only of the agent of this name.
    #[param(max_length = 255)]
    agent: Option<String>,
    /// Whose; without, of who asks, and everybody's for an administrator.
    user_id: Option<String>,
    /// The most groups, 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// What models used.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct UsageList {
    /// The groups: days in their order, else the dearest first.
    items: Vec<UsageRowView>,
}

/// What language models used, in tokens and dollars, by day, agent, workflow, model or user.
#[utoipa::path(
    get, path = "/api/v1/usage", tag = "budgets", operation_id = "sum_usage", params(UsageQuery),
    responses((status = 200, description = "The sums", body = UsageList))
)]
async fn sum_usage(
    extract::State(state): extract::State<State>,
    who: Who,
    Params(query): Params<UsageQuery>,
) -> Result<Answer<UsageList>, Problem> {
    let limit = page::request(query.limit, None)?.limit;
    let name = |text: String| Name::parse(text).map_err(|error| refused("agent", error.to_string()));
    let wanted = UsageRequest {
        owner: query.user_id.as_deref().map(|text| id("user_id", text)).transpose()?,
        from: day("from", query.from.as_deref())?,
        to: day("to", query.to.as_deref())?,
        agent: query.agent.map(name).transpose()?,
        group: query.group.map_or(UsageGroup::Day, |word| word.0),
        limit,
    };
    Ok(Answer(UsageList { items: views(state.use_cases.usage(who.actor(), wanted).await?) }))
}

fn day(parameter: &str, text: Option<&str>) -> Result<Option<NaiveDate>, Problem> {
    let read = |text: &str| {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        // What a database takes as a date.
        day.filter(|day| {
            (NaiveDate::from_ymd_opt(1970, 1, 1)..=NaiveDate::from_ymd_opt(9999, 12, 31)).contains(&Some(*day))
        })
        .ok_or_else(|| refused(parameter, "it must be a day from 1970-01-01 to 9999-12-31: 2026-01-31".to_owned()))
    };
    text.map(read).transpose()
}

/// What an execution used.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ExecutionUsageView {
    /// With all that it started.
    total: UsageView,
    /// What each of its own steps did, by path.
    steps: Vec<UsageRowView>,
}

/// What the language models of an execution used, in all and by step.
#[utoipa::path(
    get, path = "/api/v1/executions/{id}/usage", tag = "executions", operation_id = "show_execution_usage",
    params(("id" = String, Path, description = "The execution")),
    responses((status = 200, description = "What it used", body = ExecutionUsageView))
)]
async fn show_execution_usage(
    extract::State(state): extract::State<State>,
    who: Who,
    Id(id): Id<ExecutionId>,
) -> Result<Answer<ExecutionUsageView>, Problem> {
    let (total, steps) = state.use_cases.execution_usage(who.actor(), id).await?;
    Ok(Answer(ExecutionUsageView { total: total.into(), steps: views(steps) }))
}

fn views(rows: Vec<UsageRow>) -> Vec<UsageRowView> {
    rows.into_iter().map(UsageRowView::from).collect()
}
