//! The secrets of users: opened for one call, for the owner of its execution.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, NamedSecret, Secret, validate_config};
use turbocat_domain::{
    agent::AgentType,
    execution_log::LogLevel,
    id::UserId,
    port::{AgentCall, AgentRunner, RevealedSecret, SecretVault},
    step_run::StepError,
};
use uuid::Uuid;

use crate::{
    server::{Server, json_answer},
    support::{Lines, call, local_config},
};

/// Gives everybody the secrets that are called as they wish, and remembers who asked.
#[derive(Debug, Default)]
struct Vault(Mutex<Vec<(UserId, Vec<String>)>>);

#[async_trait]
impl SecretVault for Vault {
    async fn reveal(&self, owner: UserId, names: &[String]) -> Result<Vec<RevealedSecret>, StepError> {
        self.0.lock().unwrap().push((owner, names.to_vec()));
        if names.iter().any(|name| name == "BROKEN") {
            return Err(StepError::permanent("secret_unreadable", "the secret `BROKEN` cannot be opened"));
        }
        let known = names.iter().filter(|name| *name != "MISSING");
        let revealed = known.map(|name| RevealedSecret {
            name: name.clone(),
            value: format!("value-of-{}", name.to_lowercase()),
            hosts: vec!["127.0.0.1".to_owned()],
        });
        Ok(revealed.collect())
    }
}

fn agents() -> (Agents, Arc<Vault>) {
    let vault = Arc::new(Vault::default());
    let operator = |value: &str| NamedSecret { value: Secret::new(value), hosts: vec!["127.0.0.1".to_owned()] };
    let secrets =
        [("SHARED".to_owned(), operator("operators-own")), ("MISSING".to_owned(), operator("operators-other"))];
    let config = AgentsConfig { secrets: secrets.into(), ..local_config() };
    (Agents::new(config).unwrap().with_vault(Arc::clone(&vault) as _), vault)
}

async fn run(agents: &Agents, call: AgentCall) -> Result<Value, StepError> {
    agents.run(call, Arc::new(Lines::default())).await
}

fn program(secrets: Value, source: &str) -> AgentCall {
    call(AgentType::Code, json!({ "language": "javascript", "secrets": secrets, "source": source }))
}

#[tokio::test]
async fn only_what_a_call_names_is_opened_and_what_comes_back_tells_none_of_it() {
    let (agents, vault) = agents();
    let body = r#"{"seen": "value-of-mine", "also": "value-of-other", "operator": "operators-own"}"#;
    let server = Server::json("200 OK", "", body).await;
    let config = json!({
        "url": server.url("/"),
        "auth": { "type": "bearer", "token": "${{ secrets.MINE }}" },
        "headers": { "X-Other": "${{ secrets.OTHER }}", "X-Operator": "${{ secrets.MISSING }}" }
    });

    let answer = run(&agents, call(AgentType::Api, config)).await.unwrap();

    assert_eq!(answer["body"], json!({ "seen": "[secret]", "also": "[secret]", "operator": "[secret]" }));
    let request = server.requests().remove(0);
    for sent in ["Bearer value-of-mine", "x-other: value-of-other", "x-operator: operators-other"] {
        assert!(request.contains(sent), "{request}");
    }
    let asked = vault.0.lock().unwrap().clone();
    assert_eq!(asked, [(UserId::from_uuid(Uuid::nil()), ["MINE", "MISSING", "OTHER"].map(str::to_owned).to_vec())]);
}

#[tokio::test]
async fn who_names_no_secret_opens_none() {
    let (agents, vault) = agents();

    run(&agents, program(json!([]), "export default () => 1")).await.unwrap();
    run(&agents, call(AgentType::Data, json!({ "program": "1" }))).await.unwrap();

    assert!(vault.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_own_secret_stands_before_the_operators_and_one_that_cannot_be_opened_stops_the_call() {
    let (agents, _) = agents();
    let server = Server::json("200 OK", "", "{}").await;
    let config = |name: &str| {
        let token = format!("${{{{ secrets.{name} }}}}");
        json!({ "url": server.url("/"), "auth": { "type": "bearer", "token": token } })
    };

    run(&agents, call(AgentType::Api, config("SHARED"))).await.unwrap();
    assert!(server.requests()[0].contains("Bearer value-of-shared"));
    let error = run(&agents, call(AgentType::Api, config("BROKEN"))).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.requests().len()), ("secret_unreadable", 1));
}

#[tokio::test]
async fn a_program_is_given_what_it_declares_of_the_users_and_nothing_of_the_operators() {
    let (agents, _) = agents();
    let source = "export default (inputs, context) => {
        console.log('have ' + context.secrets.MINE);
        return [Object.keys(context.secrets), context.secrets.MINE, context.secrets.MINE.length];
    }";
    let lines = Arc::new(Lines::default());

    let answer = agents.run(program(json!(["MINE"]), source), lines.clone()).await.unwrap();

    assert_eq!(answer, json!([["MINE"], "[secret]", 13]));
    assert_eq!(lines.take(), [(LogLevel::Info, "have [secret]".to_owned())]);
    let thrown = "export default (inputs, context) => { throw new Error('with ' + context.secrets.MINE) }";
    let error = run(&agents, program(json!(["MINE"]), thrown)).await.unwrap_err();
    assert!(error.message.contains("with [secret]"), "{error}");
    let error = run(&agents, program(json!(["MISSING"]), source)).await.unwrap_err();
    assert_eq!(error.code, "missing_secret");
    assert!(error.message.contains("turbocat secrets set MISSING"), "{error}");
}

#[tokio::test]
async fn a_program_of_somebody_else_is_given_nothing() {
    let (agents, vault) = agents();
    let user_id = UserId::from_uuid(Uuid::from_u128(7));
    let foreign = AgentCall { user_id, ..program(json!(["MINE"]), "export default (inputs, context) => 1") };

    let error = run(&agents, foreign).await.unwrap_err();

    assert_eq!(error.code, "secret_not_allowed");
    assert!(vault.0.lock().unwrap().is_empty());
}

/// What a step with `${{ secrets.NAME }}` in its inputs hands to its agent.
fn reference(name: &str) -> Value {
    json!({ "$secret": name })
}

fn with_inputs(inputs: Value, call: AgentCall) -> AgentCall {
    AgentCall { inputs, ..call }
}

#[tokio::test]
async fn a_step_hands_a_secret_to_a_request_by_reference_and_it_comes_back_as_none() {
    let (agents, vault) = agents();
    let server = Server::json("200 OK", "", r#"{"seen": "value-of-mine", "basic": "bWU6dmFsdWUtb2YtbWluZQ=="}"#).await;
    let config = json!({
        "url": server.url("/${{ input.order }}"),
        "auth": { "type": "bearer", "token": "${{ input.token }}" },
        "headers": { "X-Plain": "${{ input.plain }}", "X-Given": "${{ input.other }}" }
    });
    let inputs = json!({ "order": 7, "token": reference("MINE"), "plain": "x", "other": reference("MISSING") });

    let answer = run(&agents, with_inputs(inputs, call(AgentType::Api, config))).await.unwrap();

    assert_eq!(answer["body"], json!({ "seen": "[secret]", "basic": "bWU6[secret]Q==" }));
    let request = server.requests().remove(0);
    for sent in ["/7", "Bearer value-of-mine", "x-plain: x", "x-given: operators-other"] {
        assert!(request.contains(sent), "{request}");
    }
    assert_eq!(vault.0.lock().unwrap()[0].1, ["MINE", "MISSING"]);
}

#[tokio::test]
async fn a_secret_that_is_handed_over_goes_nowhere_but_into_headers() {
    let (agents, _) = agents();
    let server = Server::json("200 OK", "", "{}").await;
    let cases = [
        json!({ "url": server.url("/${{ input.token }}") }),
        json!({ "url": server.url("/"), "query": { "token": "${{ input.token }}" } }),
        json!({ "url": server.url("/"), "method": "POST", "body": "${{ input }}" }),
        json!({ "url": server.url("/"), "method": "POST", "body": { "token": "${{ input.token }}" } }),
        json!({ "url": server.url("/"), "headers": { "X-Part": "token ${{ input.token }}" } }),
        json!({ "url": server.url("/"), "headers": { "X-List": "${{ [input.token] }}" } }),
        json!({ "url": server.url("/"), "auth": { "type": "bearer", "token": "${{ input.plain }}" } }),
        json!({ "url": server.url("/").replace("127.0.0.1", "localhost"),
                "auth": { "type": "bearer", "token": "${{ input.token }}" } }),
    ];
    for config in cases {
        let inputs = json!({ "token": reference("MINE"), "plain": "a text" });
        let error = run(&agents, with_inputs(inputs, call(AgentType::Api, config.clone()))).await.unwrap_err();
        assert_eq!(error.code, "secret_not_allowed", "{config}: {error}");
        assert!(!error.message.contains("value-of-mine"), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_program_gets_the_value_of_a_reference_that_it_declares_and_of_no_other() {
    let (agents, vault) = agents();
    let source = "export default ({ list }) => list[0].key.length + list[0].key";
    let inputs = |name: &str| json!({ "list": [{ "key": reference(name) }] });

    let answer = run(&agents, with_inputs(inputs("MINE"), program(json!(["MINE"]), source))).await;
    assert_eq!(answer, Ok(json!("13[secret]")));
    let opened = vault.0.lock().unwrap().len();

    let error = run(&agents, with_inputs(inputs("OTHER"), program(json!(["MINE"]), source))).await.unwrap_err();
    assert_eq!(error.code, "secret_not_allowed");
    assert!(error.message.contains("`OTHER`"), "{error}");
    let stranger = AgentCall { user_id: UserId::from_uuid(Uuid::from_u128(7)), ..program(json!(["MINE"]), source) };
    let error = run(&agents, with_inputs(inputs("MINE"), stranger)).await.unwrap_err();
    assert_eq!(error.code, "secret_not_allowed");
    assert_eq!(vault.0.lock().unwrap().len(), opened, "nothing was opened for them");
}

#[tokio::test]
async fn agents_that_have_no_place_for_a_secret_are_given_none() {
    let (agents, vault) = agents();
    let data = call(AgentType::Data, json!({ "program": "." }));
    let model = call(AgentType::Llm, json!({ "provider": "offline", "prompt": "${{ input.text }}" }));
    for one in [data, model] {
        let inputs = json!({ "text": "hello", "deep": [{ "token": reference("MINE") }] });
        let error = run(&agents, with_inputs(inputs, one)).await.unwrap_err();
        assert_eq!(error.code, "secret_not_allowed", "{error}");
    }
    let mut parameters = call(AgentType::Api, json!({ "url": "https://example.com" }));
    Arc::make_mut(&mut parameters.agent).parameters = json!({ "token": reference("MINE") });
    assert_eq!(run(&agents, parameters).await.unwrap_err().code, "secret_not_allowed");
    assert!(vault.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_model_cannot_name_a_secret() {
    let server = Server::json("200 OK", "", "{}").await;
    let arguments = r#"{"key":{"$secret":"MINE"}}"#;
    let asked = json!({ "choices": [{ "finish_reason": "tool_calls", "message": { "role": "assistant", "tool_calls": [
        { "id": "c1", "type": "function", "function": { "name": "send", "arguments": arguments } }] } }] });
    let said =
        json!({ "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": "done" } }] });
    let answers = [asked, said].map(|answer| json_answer("200 OK", &answer.to_string()));
    let model = Server::answering_in_turn(answers.to_vec()).await;
    let llm = LlmConfig { base_url: Some(model.url("/v1")), ..LlmConfig::default() };
    let vault = Arc::new(Vault::default());
    let agents = Agents::new(AgentsConfig { llm, ..local_config() }).unwrap().with_vault(Arc::clone(&vault) as _);
    let config = json!({
        "provider": "openai", "model": "m", "prompt": "x",
        "tools": [{ "name": "send", "description": "Sends.", "input": { "type": "object" },
                    "http": { "url": server.url("/"), "headers": { "X-Key": "${{ input.key }}" } } }],
    });

    let answer = run(&agents, call(AgentType::Llm, config)).await.unwrap();

    assert_eq!(answer["text"], "done");
    let told = model.bodies()[1]["messages"].as_array().unwrap().last().unwrap().to_string();
    assert!(told.contains("cannot refer to a secret"), "{told}");
    assert!(server.requests().is_empty() && vault.0.lock().unwrap().is_empty());
}

#[test]
fn what_is_wrong_with_declared_secrets_is_told() {
    let config =
        |secrets: Value| json!({ "language": "javascript", "source": "export default () => 1", "secrets": secrets });
    assert!(validate_config(AgentType::Code, &config(json!(["A", "_b1"]))).is_ok());
    for bad in [json!("A"), json!([1]), json!(["A-B"]), json!(["${{ secrets.A }}"]), json!(vec!["A"; 21])] {
        let problems = validate_config(AgentType::Code, &config(bad.clone())).unwrap_err();
        assert!(problems.iter().all(|problem| problem.path == "secrets"), "{bad}: {problems}");
    }
}
