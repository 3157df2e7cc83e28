//! What a turn may cost before it is taken, and what it is charged after.
//!
//! How many tokens a text is only its model's server knows, so a turn is reserved at more than it takes: a token for
//! every three bytes that are sent, and as many as the answer may have. What counts afterwards is the provider's own
//! account. A turn whose answer does not come to its end is not charged: nobody tells what it cost.

use serde_json::Value;
use turbocat_domain::{
    agent::Agent,
    budget::Estimate,
    usage::{Charge, Price, PriceTable, PriceTableError, Tokens},
};

use super::chat::{Ask, Message, ToolSpec, Turn};

/// A token has more bytes than this in almost every text.
const BYTES_PER_TOKEN: usize = 3;
/// What an answer may have if its agent sets no `max_tokens`.
const ANSWER_TOKENS: u64 = 4_096;

/// The prices that are known here. What the operator gives counts before it.
///
/// # Errors
///
/// [`PriceTableError`] if they cannot be read: a test reads them.
pub(super) fn known_prices() -> Result<PriceTable, PriceTableError> {
    PriceTable::parse(include_str!("prices.json"))
}

/// The most that a turn may use.
pub(super) fn estimate(ask: &Ask<'_>, price: Option<Price>) -> Estimate {
    let said: usize = ask.messages.iter().map(message_bytes).sum();
    let tools: usize = ask.tools.iter().map(tool_bytes).sum();
    let input = u64::try_from((said + tools).div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
    let output = ask.config.max_tokens.unwrap_or(ANSWER_TOKENS);
    let tokens = Tokens { input, output, cached_input: 0 };
    Estimate { tokens: tokens.total(), nano_usd: price.map(|price| price.of(tokens)) }
}

/// What a turn is charged. `asked` is the price of the model that was asked for; what answered may have another name.
pub(super) fn charge(agent: &Agent, turn: &Turn, (prices, asked): (&PriceTable, Option<Price>)) -> Charge {
    let provider = turn.provider.as_str();
    let price = prices.price(provider, &turn.model).or(asked);
    let tokens = Tokens {
        input: turn.usage.input_tokens.unwrap_or_default(),
        output: turn.usage.output_tokens.unwrap_or_default(),
        cached_input: turn.usage.cached_input_tokens.unwrap_or_default(),
    };
    Charge {
        agent_id: agent.id,
        agent_name: agent.name.clone(),
        provider: provider.to_owned(),
        model: turn.model.clone(),
        tokens,
        nano_usd: price.map(|price| price.of(tokens)),
        price_version: price.map(|_| prices.version().to_owned()),
    }
}

fn message_bytes(message: &Message) -> usize {
    match message {
        Message::Turn(turn) => {
            turn.text.len() + turn.calls.iter().map(|call| call.name.len() + json_bytes(&call.input)).sum::<usize>()
        }
        Message::Results(results) => results.iter().map(|result| json_bytes(&result.output)).sum(),
        Message::System(_) | Message::User(_) | Message::Assistant(_) => message.text().len(),
    }
}

fn tool_bytes(tool: &ToolSpec) -> usize {
    tool.name.len() + tool.description.len() + json_bytes(&tool.input)
}

fn json_bytes(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prices_that_are_known_can_be_read() {
        let prices = known_prices().unwrap();

        assert!(prices.price("openai", "gpt-4o-mini").is_some());
        assert_eq!(prices.price("offline", "extract").unwrap().input, 0);
        assert_eq!(prices.price("anthropic", "claude-haiku-4-5-20251001").unwrap().output, 5_000_000_000);
    }
}
