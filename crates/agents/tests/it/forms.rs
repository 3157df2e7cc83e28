//! What agents are given and give has the forms that they say.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_domain::{
    agent::AgentType,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::{
    server::Server,
    support::{Lines, agents, call, local_config},
};

fn data(program: &str, capabilities: Value, parameters: Value) -> AgentCall {
    let mut call = call(AgentType::Data, json!({ "program": program }));
    let agent = Arc::make_mut(&mut call.agent);
    (agent.capabilities, agent.parameters) = (capabilities, parameters);
    call
}

async fn run(inputs: Value, call: AgentCall) -> Result<Value, StepError> {
    agents().run(AgentCall { inputs, ..call }, Arc::new(Lines::default())).await
}

#[tokio::test]
async fn inputs_are_checked_with_the_parameters_and_before_anything_is_done() {
    let server = Server::json("200 OK", "", "{}").await;
    let input = json!({
        "type": "object", "required": ["id", "limit"], "additionalProperties": false,
        "properties": { "id": { "type": "integer" }, "limit": { "type": "integer", "maximum": 10 } },
    });
    let mut api = call(AgentType::Api, json!({ "url": server.url("/${{ input.id }}?limit=${{ input.limit }}") }));
    let agent = Arc::make_mut(&mut api.agent);
    (agent.capabilities, agent.parameters) = (json!({ "words": [], "input": input }), json!({ "limit": 5 }));
    let agents = turbocat_agents::Agents::new(local_config()).unwrap();
    let with = |inputs: Value| agents.run(AgentCall { inputs, ..api.clone() }, Arc::new(Lines::default()));

    with(json!({ "id": 7 })).await.unwrap();
    with(json!({ "id": 7, "limit": 9 })).await.unwrap();
    let error = with(json!({ "id": "x", "limit": 11, "more": 1 })).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("input_invalid", false));
    for place in ["`/id`", "`/limit`", "more", "`tested`"] {
        assert!(error.message.contains(place.trim_matches('`')), "{error}");
    }
    let lines: Vec<String> = server.requests().iter().map(|one| one.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /7?limit=5 HTTP/1.1", "GET /7?limit=9 HTTP/1.1"]);
}

#[tokio::test]
async fn an_answer_of_another_form_is_none() {
    let output = json!({ "output": { "type": "array", "items": { "type": "integer" } } });
    let program = |program: &str| data(program, output.clone(), json!({}));

    assert_eq!(run(json!({}), program("[1, 2]")).await, Ok(json!([1, 2])));
    let error = run(json!({}), program(r#"[1, "a", 2, null]"#)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("output_invalid", false));
    assert!(error.message.contains("`/1`") && error.message.contains("`/3`"), "{error}");
    // Words alone say nothing of forms.
    assert_eq!(run(json!({}), data("[1.5]", json!(["count"]), json!({}))).await, Ok(json!([1.5])));
}

#[tokio::test]
async fn a_secret_counts_as_a_text_where_a_text_is_wanted() {
    let mut api =
        call(AgentType::Api, json!({ "url": "https://example.com", "headers": { "X-Key": "${{ input.key }}" } }));
    Arc::make_mut(&mut api.agent).capabilities = json!({ "input": { "properties": { "key": { "type": "string" } } } });

    let error = run(json!({ "key": { "$secret": "MISSING" } }), api.clone()).await.unwrap_err();
    assert_eq!(error.code, "missing_secret", "{error}");
    assert_eq!(run(json!({ "key": 7 }), api).await.unwrap_err().code, "input_invalid");
}
