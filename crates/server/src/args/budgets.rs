//! `turbocat budgets` and `turbocat usage`.

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use turbocat_domain::{
    budget::{BudgetPeriod, BudgetUnit},
    id::{BudgetId, ExecutionId},
    usage::UsageGroup,
};

/// `turbocat budgets`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat budgets set --agent summarise --usd 5 --period day\n  \
    turbocat budgets set --execution exe_0190… --tokens 50000\n  \
    turbocat budgets list")]
pub(crate) enum BudgetsCommand {
    /// Set how much language models may use: what does not fit waits, and goes on when the budget is raised
    #[command(after_help = "Examples:\n  \
        turbocat budgets set --user ada@example.com --usd 50 --period month\n  \
        turbocat budgets set --agent summarise --tokens 1000000 --period day\n  \
        turbocat budgets set --execution exe_0190… --usd 2\n\n\
        Without --agent and --execution it is for all that a user runs. A turn is reserved at the most that it may use \
        before it is taken, and settled at what it used. Days and months are in UTC.")]
    Set(BudgetSetArgs),
    /// List budgets, and how they stand
    #[command(after_help = "Example:\n  turbocat budgets list --user ada@example.com")]
    List {
        /// Whose; everybody's without
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
    /// Delete a budget: what waits for it goes on
    #[command(after_help = "Example:\n  turbocat budgets delete bud_0190…")]
    Delete {
        /// Which, as `turbocat budgets list` shows it
        #[arg(value_name = "ID")]
        id: BudgetId,
    },
}

/// `turbocat budgets set`.
#[derive(Debug, Args)]
pub(crate) struct BudgetSetArgs {
    /// Of the agent of this name, in all its versions
    #[arg(long, value_name = "NAME", conflicts_with = "execution")]
    pub(crate) agent: Option<String>,
    /// Of this execution, with all that it starts
    #[arg(long, value_name = "ID", conflicts_with_all = ["user", "period"])]
    pub(crate) execution: Option<ExecutionId>,
    /// How many dollars may be used
    #[arg(long, value_name = "DOLLARS", required_unless_present = "tokens", conflicts_with = "tokens")]
    pub(crate) usd: Option<f64>,
    /// How many tokens may be used, read and written
    #[arg(long, value_name = "COUNT")]
    pub(crate) tokens: Option<u64>,
    /// For how long it is: day, month or total
    #[arg(long, value_name = "PERIOD", default_value = "total")]
    pub(crate) period: BudgetPeriod,
    /// Whose executions it is for; without, the administrator's, through a server those of the owner of the key
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) user: Option<String>,
}

impl BudgetSetArgs {
    /// What it counts.
    pub(crate) const fn unit(&self) -> BudgetUnit {
        if self.tokens.is_some() { BudgetUnit::Tokens } else { BudgetUnit::Usd }
    }
}

/// `turbocat usage`.
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// By what it is summed: day, agent, workflow, model or user
    #[arg(long, value_name = "GROUP", default_value = "day")]
    pub(crate) by: UsageGroup,
    /// The first day, in UTC; 30 days before the last without
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<NaiveDate>,
    /// The last day, in UTC; today without
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<NaiveDate>,
    /// Only of the agent of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// Whose; everybody's without
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) user: Option<String>,
    /// The most groups; through a server 200 at most
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) limit: u16,
}
