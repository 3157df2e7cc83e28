//! What a conversation reserves before a turn, what it is charged after, and what it does when a budget is too small.

use serde_json::json;
use turbocat_agents::{AgentsConfig, LlmConfig};
use turbocat_domain::{
    agent::AgentType,
    port::{BUDGET_EXCEEDED, PartKind},
    usage::{PriceTable, Tokens},
};
use turbocat_testkit::host::MemoryHost;

use crate::{
    conversation::{adder, agent, calls, llm, run_with, says, setup, two_sums, with_adder},
    server::Server,
};

const PRICES: &str =
    r#"{ "version": "test", "models": { "openai/m*": { "input": 2, "output": 10, "cached_input": 1 } } }"#;

fn priced(config: AgentsConfig) -> AgentsConfig {
    let llm = LlmConfig { prices: Some(PriceTable::parse(PRICES).unwrap()), ..config.llm };
    AgentsConfig { llm, ..config }
}

#[tokio::test]
async fn each_turn_is_reserved_at_the_most_that_it_may_use_and_charged_what_it_did() {
    let server = Server::answering_in_turn(two_sums()).await;
    let host = MemoryHost::default().with_agent(adder());
    let mut config = with_adder();
    config["max_tokens"] = json!(100);
    let call = llm(&host, config);

    run_with(priced(setup(&server)), call.clone()).await.unwrap();

    let reserved = host.reserved();
    let keys: Vec<_> = reserved.iter().map(|turn| turn.key.as_str()).collect();
    assert_eq!(keys, ["turn.1", "turn.2"]);
    let (first, second) = (reserved[0].estimate, reserved[1].estimate);
    assert!(first.tokens > 100 && second.tokens > first.tokens, "a conversation grows: {first:?} {second:?}");
    assert_eq!(reserved[0].agent_name, call.agent.name);
    // 6 tokens at 2 dollars a million, 4 from the cache at 1, and 2 at 10.
    let charges = host.charges();
    assert_eq!(charges.len(), 2);
    for charge in charges {
        assert_eq!(charge.tokens, Tokens { input: 10, output: 2, cached_input: 4 });
        assert_eq!((charge.nano_usd, charge.price_version.as_deref()), (Some(36_000), Some("test")));
        assert_eq!((charge.provider.as_str(), charge.model.as_str()), ("openai", "m-1"));
        assert_eq!((charge.agent_id, &charge.agent_name), (call.agent.id, &call.agent.name));
        assert!(first.nano_usd.unwrap() > charge.nano_usd.unwrap());
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_charged_its_tokens_alone() {
    let server = Server::answering_in_turn(vec![says("done")]).await;
    let host = MemoryHost::default();

    run_with(setup(&server), llm(&host, json!({ "prompt": "p" }))).await.unwrap();

    assert_eq!(host.reserved()[0].estimate.nano_usd, None);
    let charge = &host.charges()[0];
    assert_eq!((charge.nano_usd, &charge.price_version, charge.tokens.output), (None, &None, 2));
}

#[tokio::test]
async fn offline_turns_cost_nothing_and_are_counted() {
    let host = MemoryHost::default();
    let server = Server::answering_in_turn(Vec::new()).await;

    run_with(setup(&server), llm(&host, json!({ "provider": "offline", "prompt": "One. Two." }))).await.unwrap();

    let charge = &host.charges()[0];
    assert_eq!((charge.provider.as_str(), charge.nano_usd), ("offline", Some(0)));
    assert!(charge.tokens.input > 0 && charge.tokens.output > 0, "{charge:?}");
}

#[tokio::test]
async fn a_turn_that_does_not_fit_is_not_asked_for_and_the_next_attempt_goes_on_there() {
    let server = Server::answering_in_turn(two_sums()).await;
    let host = MemoryHost::default().with_agent(adder());
    let mut config = with_adder();
    config["max_tokens"] = json!(10);
    let call = llm(&host, config);

    // Enough for the first turn, and not for the second, which says what the tools answered.
    let tokens = {
        let probe = MemoryHost::default().with_agent(adder());
        probe.set_budget(Some(0));
        let call = turbocat_domain::port::AgentCall { host: std::sync::Arc::new(probe.clone()), ..call.clone() };
        run_with(setup(&server), call).await.unwrap_err();
        probe.reserved()[0].estimate.tokens
    };
    host.set_budget(Some(tokens));
    let short = run_with(setup(&server), call.clone()).await.unwrap_err();
    assert_eq!((short.code.as_str(), server.keys()), (BUDGET_EXCEEDED, vec!["step/turn.1".to_owned()]));
    assert_eq!(host.parts().iter().filter(|part| part.kind == PartKind::Call).count(), 2, "the calls were made");

    host.set_budget(None);
    let answer = run_with(setup(&server), call).await.unwrap();
    assert_eq!(answer["text"], "3 and 7");
    assert_eq!(server.keys(), ["step/turn.1", "step/turn.2"]);
    assert_eq!(host.charges().len(), 2);
}

#[tokio::test]
async fn an_agent_that_is_called_as_a_tool_and_waits_for_a_budget_lets_its_caller_wait() {
    let asks = vec![calls(&[("helper", json!({}))]), says("helped"), says("done")];
    let server = Server::answering_in_turn(asks).await;
    let long = "word ".repeat(2_000);
    let helper = agent("helper", AgentType::Llm, json!({ "prompt": long, "max_tokens": 10 }));
    let host = MemoryHost::default().with_agent(helper.clone());
    host.set_budget(Some(1_000));
    let call = llm(&host, json!({ "prompt": "p", "max_tokens": 10, "tools": [{ "agent": "helper" }] }));

    let short = run_with(setup(&server), call.clone()).await.unwrap_err();

    assert_eq!(short.code, BUDGET_EXCEEDED);
    let recorded: Vec<_> = host.parts().into_iter().map(|part| part.key).collect();
    assert_eq!(recorded, ["turn.1"], "that the tool waits is no result of it");
    assert_eq!(host.reserved().last().unwrap().key, "call.1.1/turn.1");
    assert_eq!(host.reserved().last().unwrap().agent_name, helper.name);
    host.set_budget(None);
    assert_eq!(run_with(setup(&server), call).await.unwrap()["text"], "done");
    let by: Vec<_> = host.charges().into_iter().map(|charge| charge.agent_name).collect();
    assert_eq!(by.iter().filter(|name| **name == helper.name).count(), 1, "{by:?}");
    assert_eq!(by.len(), 3);
}
