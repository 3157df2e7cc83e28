//! What language models used, and what that cost.
//!
//! Counts of tokens are the provider's own. Money is counted in nano-dollars (10⁻⁹ US dollars), as whole numbers, so
//! that sums are exact.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    id::AgentId,
    value::{Name, text_enum},
};

/// Nano-dollars of one dollar.
pub const NANO_USD: u64 = 1_000_000_000;
const MILLION: u128 = 1_000_000;

/// What a turn of a model read and wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// What it read, from a cache or not.
    pub input: u64,
    /// What it wrote.
    pub output: u64,
    /// How much of what it read came from the provider's cache.
    pub cached_input: u64,
}

impl Tokens {
    /// All that was read and written.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What a turn is charged, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The version of the agent that asked.
    pub agent_id: AgentId,
    /// Its name, which all its versions share.
    pub agent_name: Name,
    /// Who provides the model.
    pub provider: String,
    /// The model, as the provider calls it.
    pub model: String,
    /// What it read and wrote.
    pub tokens: Tokens,
    /// What that cost, in nano-dollars; `None` if the table has no price for the model.
    pub nano_usd: Option<u64>,
    /// The version of the table that the price is from.
    pub price_version: Option<String>,
}

/// Sums of what models used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageSum {
    /// How many turns there were.
    pub calls: u64,
    /// What they read and wrote.
    pub tokens: Tokens,
    /// What they cost as far as that is known, in nano-dollars.
    pub nano_usd: u64,
    /// How many of the turns had no price.
    pub unpriced_calls: u64,
}

impl UsageSum {
    /// Takes a turn in.
    pub fn add(&mut self, charge: &Charge) {
        self.calls += 1;
        self.tokens.input += charge.tokens.input;
        self.tokens.output += charge.tokens.output;
        self.tokens.cached_input += charge.tokens.cached_input;
        self.nano_usd += charge.nano_usd.unwrap_or_default();
        self.unpriced_calls += u64::from(charge.nano_usd.is_none());
    }
}

text_enum! {
    /// By what usage is summed.
    pub enum UsageGroup: "a group of usage" {
        /// Days, in UTC.
        Day = "day",
        /// Names of agents.
        Agent = "agent",
        /// Versions of workflows.
        Workflow = "workflow",
        /// Providers and models: `openai/gpt-4o-mini`.
        Model = "model",
        /// Users.
        User = "user",
    }
}

/// The price of a model, in nano-dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Of what it reads.
    pub input: u64,
    /// Of what it writes.
    pub output: u64,
    /// Of what it reads from the provider's cache.
    pub cached_input: u64,
}

impl Price {
    /// What tokens cost, in nano-dollars, rounded up.
    #[must_use]
    pub fn of(&self, tokens: Tokens) -> u64 {
        let cached = tokens.cached_input.min(tokens.input);
        let parts = [(tokens.input - cached, self.input), (cached, self.cached_input), (tokens.output, self.output)];
        let sum: u128 = parts.into_iter().map(|(count, price)| u128::from(count) * u128::from(price)).sum();
        u64::try_from(sum.div_ceil(MILLION)).unwrap_or(u64::MAX)
    }
}

/// Prices of models, under one version.
///
/// Its text form is JSON, in dollars for a million tokens:
/// `{ "version": "2025-12", "models": { "openai/gpt-4o-mini": { "input": 0.15, "output": 0.6, "cached_input": 0.075 } } }`.
/// A name that ends in `*` stands for all models that begin so; the longest that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceTable {
    version: String,
    prices: BTreeMap<String, Price>,
}

/// Why a text is no table of prices.
#[derive(Debug, thiserror::Error)]
pub enum PriceTableError {
    /// It does not have the form.
    #[error("the table of prices cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// A price is none.
    #[error("the price of `{0}` must be numbers from 0 to 1,000,000, in dollars for a million tokens")]
    Price(String),
    /// A model is not named in full.
    #[error("`{0}` must be written as provider and model: openai/gpt-4o-mini")]
    Model(String),
    /// The version is empty or too long.
    #[error("`version` must have 1 to 50 characters")]
    Version,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    version: String,
    models: BTreeMap<String, PriceText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceText {
    input: f64,
    output: f64,
    cached_input: Option<f64>,
}

impl PriceTable {
    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`PriceTableError`].
    pub fn parse(text: &str) -> Result<Self, PriceTableError> {
        let TableText { version, models } = serde_json::from_str(text)?;
        if version.is_empty() || version.chars().count() > 50 {
            return Err(PriceTableError::Version);
        }
        let prices = models.into_iter().map(|(model, price)| {
            if model.split_once('/').is_none_or(|(provider, rest)| provider.is_empty() || rest.is_empty()) {
                return Err(PriceTableError::Model(model));
            }
            let PriceText { input, output, cached_input } = price;
            let all = [input, output, cached_input.unwrap_or(input)].map(parse_usd);
            match all {
                [Some(input), Some(output), Some(cached_input)] => Ok((model, Price { input, output, cached_input })),
                _ => Err(PriceTableError::Price(model)),
            }
        });
        Ok(Self { version, prices: prices.collect::<Result<_, _>>()? })
    }

    /// This table with the prices of another, which count before its own.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.prices.extend(other.prices);
        Self { version: other.version, ..self }
    }

    /// Which table it is.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The price of a model, if it is known.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        let name = format!("{provider}/{model}");
        if let Some(price) = self.prices.get(&name) {
            return Some(*price);
        }
        let patterns = self.prices.iter().filter_map(|(key, price)| Some((key.strip_suffix('*')?, price)));
        let fits = patterns.filter(|(prefix, _)| name.starts_with(prefix));
        fits.max_by_key(|(prefix, _)| prefix.len()).map(|(_, price)| *price)
    }
}

/// Reads an amount of dollars, from 0 to a million, to the nano-dollar.
#[must_use]
pub fn parse_usd(dollars: f64) -> Option<u64> {
    (0.0..=1_000_000.0).contains(&dollars).then(|| as_nano_usd(dollars))
}

/// Dollars as nano-dollars: what [`as_usd`] told.
#[must_use]
pub fn as_nano_usd(dollars: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is meant to be cut to a whole number, and to what fits"
    )]
    let nano = (dollars * 1e9).round() as u64;
    nano
}

/// Nano-dollars as dollars, for programs: a float has 15 digits, which an amount has not.
#[must_use]
pub fn as_usd(nano_usd: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "amounts of more than 9 million dollars lose their nano-dollars")]
    let nano = nano_usd as f64;
    nano / 1e9
}

/// Nano-dollars as dollars, for people: `$0.0125`.
#[must_use]
pub fn show_usd(nano_usd: u64) -> String {
    let (whole, rest) = (nano_usd / NANO_USD, nano_usd % NANO_USD);
    let digits = format!("{rest:09}");
    let shown = digits.trim_end_matches('0');
    format!("${whole}.{shown:0<2}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = r#"{ "version": "v1", "models": {
        "openai/gpt-4o*": { "input": 2.5, "output": 10, "cached_input": 1.25 },
        "openai/gpt-4o-mini*": { "input": 0.15, "output": 0.6, "cached_input": 0.075 },
        "offline/extract": { "input": 0, "output": 0 } } }"#;

    #[test]
    fn the_longest_name_that_fits_has_the_price() {
        let table = PriceTable::parse(TABLE).unwrap();

        assert_eq!(table.price("openai", "gpt-4o-mini-2024-07-18").unwrap().input, 150_000_000);
        assert_eq!(table.price("openai", "gpt-4o").unwrap().cached_input, 1_250_000_000);
        assert_eq!(table.price("offline", "extract").unwrap().of(Tokens { input: 9, ..Tokens::default() }), 0);
        assert_eq!(table.price("openai", "gpt-3"), None);
        assert_eq!(table.price("anthropic", "gpt-4o"), None);
    }

    #[test]
    fn what_was_cached_costs_less_and_a_part_of_a_nano_dollar_counts_as_one() {
        let price = PriceTable::parse(TABLE).unwrap().price("openai", "gpt-4o-mini").unwrap();

        assert_eq!(price.of(Tokens { input: 1_000_000, output: 0, cached_input: 0 }), 150_000_000);
        assert_eq!(price.of(Tokens { input: 1_000_000, output: 0, cached_input: 1_000_000 }), 75_000_000);
        assert_eq!(price.of(Tokens { input: 0, output: 1, cached_input: 0 }), 600);
        // More from the cache than was read is no discount.
        assert_eq!(price.of(Tokens { input: 1, output: 0, cached_input: 5 }), 75);
        let cheap = Price { input: 1, output: 1, cached_input: 1 };
        assert_eq!(cheap.of(Tokens { input: 1, output: 0, cached_input: 0 }), 1);
    }

    #[test]
    fn the_operators_prices_count_before_those_that_are_there() {
        let own = r#"{ "version": "own", "models": { "openai/gpt-4o-mini*": { "input": 1, "output": 1 } } }"#;
        let table = PriceTable::parse(TABLE).unwrap().with(PriceTable::parse(own).unwrap());

        assert_eq!(table.version(), "own");
        assert_eq!(table.price("openai", "gpt-4o-mini").unwrap().cached_input, NANO_USD);
        assert!(table.price("openai", "gpt-4o").is_some());
    }

    #[test]
    fn a_table_that_is_none_says_why() {
        let table = |model: &str, price: &str| format!(r#"{{ "version": "v", "models": {{ "{model}": {price} }} }}"#);
        let error = |text: &str| PriceTable::parse(text).unwrap_err().to_string();

        assert!(error(&table("a/b", r#"{ "input": -1, "output": 1 }"#)).contains("a/b"));
        assert!(error(&table("gpt", r#"{ "input": 1, "output": 1 }"#)).contains("provider and model"));
        assert!(error(r#"{ "version": "", "models": {} }"#).contains("version"));
        assert!(error("{}").contains("version"));
    }

    #[test]
    fn money_is_shown_with_cents_at_least() {
        assert_eq!(show_usd(0), "$0.00");
        assert_eq!(show_usd(12_500_000), "$0.0125");
        assert_eq!(show_usd(3 * NANO_USD + 100_000_000), "$3.10");
    }

    proptest! {
        #[test]
        fn more_tokens_never_cost_less(input in 0_u64..1 << 40, output in 0_u64..1 << 40, more in 0_u64..1 << 20) {
            let price = Price { input: 150_000_000, output: 600_000_000, cached_input: 75_000_000 };
            let tokens = Tokens { input, output, cached_input: input / 2 };
            let others = Tokens { input: input + more, output: output + more, ..tokens };
            prop_assert!(price.of(others) >= price.of(tokens));
        }
    }
}
