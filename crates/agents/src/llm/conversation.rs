//! A conversation with a model, from its first turn to its answer.
//!
//! # Invariants
//!
//! 1. A turn is durable before anything is done with it, and a turn that is durable is not asked for again.
//! 2. The conversation is a function of the configuration, the inputs and what was recorded: run again, it goes on
//!    where it was.
//! 3. It ends: after `max_turns` turns, after so many calls, or when it goes round in circles.

use std::time::Instant;

use futures_util::{StreamExt, future::BoxFuture, stream};
use serde_json::{Map, Value, json};
use turbocat_domain::{
    execution_log::LogLevel,
    limits,
    port::{AgentCall, PartKind, Reservation, SchemaProblem, StepPart},
    step_run::StepError,
    usage::Charge,
};

use super::{
    Surroundings,
    chat::{Ask, Message, ToolCall, ToolResult, ToolSpec, Turn},
    config::{Config, Format, Provider},
    cost,
    exchange::{self, Addressed},
    parts::Parts,
    tool::Caller,
};
use crate::config::CallScope;

/// A conversation that goes on.
pub(super) struct Conversation<'a> {
    pub(super) call: &'a AgentCall,
    pub(super) around: Surroundings<'a>,
    pub(super) config: &'a Config,
    messages: Vec<Message>,
    tools: Vec<ToolSpec>,
    turns: Vec<Turn>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(call: &'a AgentCall, around: Surroundings<'a>, config: &'a Config) -> Result<Self, StepError> {
        let messages = config.messages(&CallScope { inputs: &call.inputs, output: None })?;
        Ok(Self { call, around, config, messages, tools: Vec::new(), turns: Vec::new() })
    }

    /// Holds it to its end.
    pub(super) async fn hold(mut self) -> Result<Value, StepError> {
        let parts = Parts::read(&*self.call.host).await?;
        let caller = Caller::new(self.call, self.around, (&self.config.tools, &parts)).await?;
        self.tools = caller.specs();
        let (mut repairs, mut calls) = (0, 0);
        for number in 1..=self.config.max_turns {
            let turn = self.turn(number, &parts).await?;
            self.turns.push(turn.clone());
            if turn.calls.is_empty() {
                match self.answer(&turn) {
                    Ok(json) => return Ok(self.output(&turn, json)),
                    Err(wrong) if repairs < self.config.repairs => {
                        repairs += 1;
                        self.around.log.log(LogLevel::Warn, &format!("the answer is asked for again: {wrong}"));
                        self.messages.push(Message::Turn(Box::new(turn)));
                        self.messages.push(Message::User(repair(&wrong)));
                    }
                    Err(wrong) => {
                        let message =
                            format!("the model was asked {} times for an answer that fits: {wrong}", repairs + 1);
                        return Err(StepError::permanent("llm_bad_output", message));
                    }
                }
                continue;
            }
            calls += turn.calls.len();
            if calls > limits::LLM_CALLS_MAX {
                let message = format!("the model called tools more than {} times", limits::LLM_CALLS_MAX);
                return Err(StepError::permanent("llm_calls_exhausted", message));
            }
            let results = call_all(&caller, number, &turn, &parts).await?;
            self.messages.push(Message::Turn(Box::new(turn)));
            self.messages.push(Message::Results(results));
        }
        let message = format!("the conversation did not come to an end within {} turns", self.config.max_turns);
        Err(StepError::permanent("llm_turns_exhausted", message))
    }

    /// The turn that was recorded, or a new one, which then is.
    async fn turn(&self, number: u64, parts: &Parts<'_>) -> Result<Turn, StepError> {
        let key = format!("turn.{number}");
        let data = if let Some(data) = parts.get(&key) {
            data.clone()
        } else {
            let began = Instant::now();
            let (turn, charge) = self.ask(&key).await?;
            let turn = Turn { duration_ms: Some(elapsed_ms(began)), ..turn };
            self.tell(number, &turn);
            let data = serde_json::to_value(&turn).map_err(|error| unreadable(&error))?;
            let data = self.around.redactor.outcome(Ok(data))?;
            parts.host.record(StepPart { key, kind: PartKind::Turn, data }, Some(charge)).await?
        };
        serde_json::from_value(data).map_err(|error| unreadable(&error))
    }

    /// Asks the models one after the other, until one answers.
    async fn ask(&self, key: &str) -> Result<(Turn, Charge), StepError> {
        let mut last = None;
        for (index, target) in self.config.targets.iter().enumerate() {
            let provider = target.provider.unwrap_or(self.around.models.default_provider);
            let model = self.around.models.model(target, provider);
            let ask = Ask { config: self.config, messages: &self.messages, tools: &self.tools, model };
            let price = self.around.models.price(provider, model);
            let estimate = cost::estimate(&ask, price);
            let agent_name = self.call.agent.name.clone();
            self.call.host.reserve(Reservation { key: key.to_owned(), agent_name, estimate }).await?;
            let asked = if provider == Provider::Offline {
                self.play()
            } else {
                let key = if index == 0 { key.to_owned() } else { format!("{key}@{index}") };
                exchange::ask(self.call, self.around, Addressed { target, provider, key: &key }, ask).await
            };
            match asked {
                Ok(turn) => {
                    let charge = cost::charge(&self.call.agent, &turn, (&self.around.models.prices, price));
                    return Ok((turn, charge));
                }
                Err(error) if is_of_the_provider(&error) => {
                    if index + 1 < self.config.targets.len() {
                        self.around.log.log(LogLevel::Warn, &format!("the next model is asked: {error}"));
                    }
                    last = Some(worse(last, error));
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| StepError::permanent("invalid_config", "the agent names no model")))
    }

    /// What the script says, or an extract.
    fn play(&self) -> Result<Turn, StepError> {
        let Some(script) = &self.config.script else {
            return Ok(super::provider::offline::answer(self.config, &self.messages));
        };
        let results: Vec<Value> = match self.messages.last() {
            Some(Message::Results(results)) => results.iter().map(|result| result.output.clone()).collect(),
            _ => Vec::new(),
        };
        let output = Value::Array(results);
        let last = self.turns.last().and_then(|turn| turn.at);
        script.play(last, &CallScope { inputs: &self.call.inputs, output: Some(&output) })
    }

    fn tell(&self, number: u64, turn: &Turn) {
        let tools: Vec<&str> = turn.calls.iter().map(|call| call.name.as_str()).collect();
        let wants = if tools.is_empty() { String::new() } else { format!(", calls {}", tools.join(", ")) };
        let was_shown = self.config.streams && turn.provider != Provider::Offline;
        if !turn.text.is_empty() && !self.config.tools.is_empty() && !was_shown {
            self.around.log.log(LogLevel::Info, &turn.text);
        }
        self.around.log.log(LogLevel::Debug, &format!("turn {number} of {}{wants}", turn.model));
    }

    /// The answer as JSON, if that is asked for; or what is wrong with it.
    fn answer(&self, turn: &Turn) -> Result<Option<Value>, String> {
        let Some(format) = &self.config.format else { return Ok(None) };
        let json: Value =
            serde_json::from_str(unfenced(&turn.text)).map_err(|error| format!("it is not JSON: {error}"))?;
        if let Format::Schema(schema) = format
            && let Err(problems) = self.around.schemas.validate(schema, &json)
        {
            return Err(format!("it does not fit its schema: {}", SchemaProblem::list(&problems)));
        }
        Ok(Some(json))
    }

    fn output(&self, last: &Turn, json: Option<Value>) -> Value {
        let mut output = Map::new();
        if let Some(json) = json {
            output.insert("json".to_owned(), json);
        }
        let rest = [
            ("text", Value::String(last.text.clone())),
            ("model", Value::String(last.model.clone())),
            ("provider", Value::from(last.provider.as_str())),
            ("usage", self.usage(last)),
            ("finish_reason", last.finish_reason.clone()),
            ("turns", self.turns.iter().map(Turn::account).collect()),
        ];
        output.extend(rest.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(output)
    }

    /// What all turns cost together; the provider's own account of the last.
    fn usage(&self, last: &Turn) -> Value {
        let sum = |figure: fn(&Turn) -> Option<u64>| self.turns.iter().map(figure).sum::<Option<u64>>();
        let mut usage = json!({
            "input_tokens": sum(|turn| turn.usage.input_tokens),
            "output_tokens": sum(|turn| turn.usage.output_tokens),
            "cached_input_tokens": sum(|turn| turn.usage.cached_input_tokens.or(Some(0))),
        });
        if let Some(members) = usage.as_object_mut() {
            if let Some(unit) = &last.usage.unit {
                members.insert("unit".to_owned(), Value::String(unit.clone()));
            } else {
                members.insert("raw".to_owned(), last.usage.raw.clone());
            }
        }
        usage
    }
}

/// Makes the calls of a turn, several at once; their results are in the order of the calls.
async fn call_all(
    caller: &Caller<'_>,
    number: u64,
    turn: &Turn,
    parts: &Parts<'_>,
) -> Result<Vec<ToolResult>, StepError> {
    let calls: Vec<BoxFuture<'_, Result<ToolResult, StepError>>> =
        (1..).zip(&turn.calls).map(|(index, call)| make(caller, (number, index), call, parts)).collect();
    // All are made, also behind one that waits for a budget: none is broken off that may have had its effect.
    let results: Vec<_> = stream::iter(calls).buffered(limits::LLM_CALLS_AT_ONCE).collect().await;
    results.into_iter().collect()
}

fn make<'f>(
    caller: &'f Caller<'_>,
    (turn, index): (u64, u64),
    call: &'f ToolCall,
    parts: &'f Parts<'_>,
) -> BoxFuture<'f, Result<ToolResult, StepError>> {
    Box::pin(async move { caller.make(&format!("call.{turn}.{index}"), call, parts).await })
}

/// Whether another model may do better: the provider did not answer, or refuses its service.
fn is_of_the_provider(error: &StepError) -> bool {
    error.retryable || matches!(error.code.as_str(), "llm_unauthorized" | "llm_quota_exhausted" | "output_too_large")
}

/// The error of a turn for which no model answered: one that may be gone counts before one that will not.
fn worse(before: Option<StepError>, error: StepError) -> StepError {
    match before {
        Some(before) if before.retryable && !error.retryable => before,
        _ => error,
    }
}

fn repair(wrong: &str) -> String {
    format!("That answer cannot be used: {wrong}\nAnswer again, with the JSON alone.")
}

fn unreadable(error: &serde_json::Error) -> StepError {
    StepError::permanent("parts_unreadable", format!("a turn that was recorded cannot be read: {error}"))
}

/// How long something took, in milliseconds.
pub(super) fn elapsed_ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// JSON as models like to give it: in a fence.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    inner.and_then(|inner| inner.trim_end().strip_suffix("```")).map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_around_json_is_taken_off() {
        assert_eq!(unfenced("```json\n{\"a\":1}\n```\n"), "{\"a\":1}");
        assert_eq!(unfenced(" {\"a\":\"```\"} "), "{\"a\":\"```\"}");
        assert_eq!(unfenced("``` [1] ```"), "[1]");
    }

    #[test]
    fn of_two_failures_the_one_that_may_be_gone_counts() {
        let (overloaded, refused) = (StepError::transient("o", ""), StepError::permanent("r", ""));

        assert_eq!(worse(Some(overloaded.clone()), refused.clone()), overloaded);
        assert_eq!(worse(Some(refused), overloaded.clone()), overloaded);
    }
}
