//! What holds for an execution as a whole.

use serde::Serialize;
use serde_json::Value;

use super::{reader::Reader, writer::Writer};
use crate::{
    budget::{AMOUNT_MAX, BudgetLimit, BudgetUnit},
    limits::{EXECUTION_TIMEOUT_MS_DEFAULT, PARALLEL_STEPS_DEFAULT, WAIT_MS_MAX},
    usage::{as_usd, parse_usd},
    value::{Name, text_enum},
};

/// The most steps of one execution that may run at once.
const PARALLEL_STEPS_MAX: u32 = 1_000;
/// The most executions with one key that may run at once.
const CONCURRENCY_MAX: u32 = 1_000;

/// The settings of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// The longest execution, in milliseconds; past it the status is `timeout`.
    pub timeout_ms: u64,
    /// How many steps run at once.
    pub max_parallel_steps: u32,
    /// How many executions with the same key run at once.
    pub concurrency: Option<Concurrency>,
    /// The workflow that is started when this one fails.
    pub on_failure: Option<String>,
    /// How much the language models of one execution may use, with those of all that it starts.
    pub budget: Vec<BudgetLimit>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout_ms: EXECUTION_TIMEOUT_MS_DEFAULT,
            max_parallel_steps: PARALLEL_STEPS_DEFAULT,
            concurrency: None,
            on_failure: None,
            budget: Vec::new(),
        }
    }
}

/// How many executions with the same key run at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Concurrency {
    /// The mapping of the key.
    pub key: Value,
    /// How many.
    pub limit: u32,
    /// What happens to one more.
    pub on_limit: OnLimit,
}

text_enum! {
    /// What happens to an execution that is one too many.
    #[derive(Default)]
    pub enum OnLimit: "a rule for executions that are too many" {
        /// It waits.
        #[default]
        Queue = "queue",
        /// One that runs is cancelled.
        CancelRunning = "cancel_running",
        /// It is cancelled.
        CancelNew = "cancel_new",
    }
}

impl Settings {
    pub(super) fn read(reader: Reader<'_>) -> Self {
        let default = Self::default();
        let settings = Self {
            // Whether the workflow waits, and so may take longer than others, is checked with its steps.
            timeout_ms: reader
                .get("timeout_ms")
                .and_then(|field| field.number(1..=WAIT_MS_MAX))
                .unwrap_or(default.timeout_ms),
            max_parallel_steps: reader
                .get("max_parallel_steps")
                .and_then(|field| field.number(1..=PARALLEL_STEPS_MAX))
                .unwrap_or(default.max_parallel_steps),
            concurrency: reader.get("concurrency").and_then(|field| field.object()).and_then(Concurrency::read),
            on_failure: reader.get("on_failure").and_then(|field| field.parse::<Name>()).map(String::from),
            budget: reader.get("budget").and_then(|field| field.object()).map(read_budget).unwrap_or_default(),
        };
        reader.close();
        settings
    }

    pub(super) fn write(&self) -> Value {
        let default = Self::default();
        let mut writer = Writer::default();
        writer.put_unless("timeout_ms", &self.timeout_ms, &default.timeout_ms);
        writer.put_unless("max_parallel_steps", &self.max_parallel_steps, &default.max_parallel_steps);
        if let Some(concurrency) = &self.concurrency {
            let mut inner = Writer::default();
            inner.put("key", &concurrency.key);
            inner.put("limit", &concurrency.limit);
            inner.put_unless("on_limit", &concurrency.on_limit, &OnLimit::default());
            writer.put("concurrency", &inner.object());
        }
        writer.put_some("on_failure", self.on_failure.as_ref());
        if !self.budget.is_empty() {
            writer.put("budget", &write_budget(&self.budget));
        }
        writer.object()
    }
}

impl Concurrency {
    fn read(reader: Reader<'_>) -> Option<Self> {
        let key = reader.require("key").map(|field| field.value.clone());
        let limit = reader.require("limit").and_then(|field| field.number(1..=CONCURRENCY_MAX));
        let on_limit = reader.get("on_limit").and_then(|field| field.parse()).unwrap_or_default();
        reader.close();
        Some(Self { key: key?, limit: limit?, on_limit })
    }
}

/// How much the models of an execution may use: `{ "tokens": 20000, "usd": 0.5 }`.
fn read_budget(reader: Reader<'_>) -> Vec<BudgetLimit> {
    let tokens = reader.get("tokens").and_then(|field| field.number(0..=AMOUNT_MAX));
    let nano_usd = reader.get("usd").and_then(|field| {
        let amount = field.value.as_f64().and_then(parse_usd);
        if amount.is_none() {
            field.refuse("out_of_range", format!("usd must be a number from 0 to 1,000,000, not {}", field.value));
        }
        amount
    });
    reader.close();
    let amounts = [(BudgetUnit::Tokens, tokens), (BudgetUnit::Usd, nano_usd)];
    amounts.into_iter().filter_map(|(unit, amount)| Some(BudgetLimit { unit, amount: amount? })).collect()
}

fn write_budget(limits: &[BudgetLimit]) -> Value {
    let mut writer = Writer::default();
    for limit in limits {
        match limit.unit {
            BudgetUnit::Tokens => writer.put("tokens", &limit.amount),
            BudgetUnit::Usd => writer.put("usd", &as_usd(limit.amount)),
        }
    }
    writer.object()
}
