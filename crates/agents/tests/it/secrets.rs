//! The secrets of users: opened for one call, for the owner of its execution.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, NamedSecret, Secret, validate_config};
use turbocat_domain::{
    agent::AgentType,
    execution_log::LogLevel,
    id::UserId,
    port::{AgentCall, AgentRunner, RevealedSecret, SecretVault},
    step_run::StepError,
};
use uuid::Uuid;

use crate::{
    server::Server,
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
