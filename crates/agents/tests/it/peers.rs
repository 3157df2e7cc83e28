//! Servers that nobody here wrote: a mock of the providers' APIs, and the reference server of MCP.
//!
//! `.ci/providers` installs and starts them, and says here where they are. They ask for nothing but this machine.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, LlmConfig, LlmEndpoint, McpServer, McpServers};
use turbocat_domain::{
    agent::{Agent, AgentType},
    execution_log::LogLevel,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
    value::Name,
};
use turbocat_testkit::host::MemoryHost;

use crate::support::{Lines, call, local_config};

/// What the script says of a peer.
fn place(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} says where the peer is: see .ci/providers"))
}

async fn run(setup: AgentsConfig, call: AgentCall) -> (Result<Value, StepError>, Vec<String>) {
    let lines = Arc::new(Lines::default());
    let answer = Agents::new(setup).unwrap().run(call, lines.clone()).await;
    let shown = lines.take().into_iter().filter(|(level, _)| *level >= LogLevel::Info);
    (answer, shown.map(|(_, line)| line).collect())
}

#[tokio::test]
#[ignore = "needs a mock of the providers: .ci/providers"]
async fn a_conversation_with_tools_is_held_with_each_provider_whole_and_in_pieces() {
    let url = place("TURBOCAT_PEER_MODELS");
    let endpoint = |path: &str| LlmEndpoint { base_url: Some(format!("{url}{path}")), ..LlmEndpoint::default() };
    let mut held = 0;
    for provider in ["openai", "anthropic", "gemini"] {
        for streams in [false, true] {
            let llm = LlmConfig {
                base_url: Some(format!("{url}/v1")),
                anthropic: endpoint(""),
                gemini: endpoint("/v1beta"),
                ..LlmConfig::default()
            };
            let adder = Agent::clone(&call(AgentType::Data, json!({ "program": ".a + .b" })).agent);
            let host = MemoryHost::default().with_agent(Agent { name: Name::parse("adder").unwrap(), ..adder });
            let config = json!({
                "provider": provider, "model": "m", "system": "Be brief.", "prompt": "1 and 2?", "stream": streams,
                "tools": [{ "agent": "adder", "description": "Adds." }],
            });
            let call = AgentCall { host: Arc::new(host.clone()), ..call(AgentType::Llm, config) };

            let (answer, shown) = run(AgentsConfig { llm, ..local_config() }, call).await;

            let answer = answer.unwrap_or_else(|error| panic!("{provider}, in pieces: {streams}: {error}"));
            assert_eq!(answer["text"], "It is three.", "{provider}, in pieces: {streams}");
            let called: Vec<Value> = host.parts().into_iter().map(|part| part.data).collect();
            assert_eq!(
                (&called[1]["tool"], &called[1]["output"]),
                (&json!("adder"), &json!(3)),
                "{provider}, in pieces: {streams}"
            );
            assert!(shown.iter().any(|line| line == "I add."), "{provider}, in pieces: {streams}: {shown:?}");
            held += 1;
        }
    }
    println!("{held} conversations were held with {url}");
}

#[tokio::test]
#[ignore = "needs the reference server of MCP: .ci/providers"]
async fn the_tools_of_the_reference_server_are_called_by_both_ways() {
    let program = json!({ "command": "node", "args": [place("TURBOCAT_PEER_MCP_PROGRAM"), "stdio"] });
    let remote = json!({ "url": place("TURBOCAT_PEER_MCP_URL") });
    for (way, declaration) in [("program", program), ("http", remote)] {
        let server = McpServer::parse(&declaration.to_string()).unwrap();
        let mcp = McpServers::from([("every".to_owned(), server)]);
        let host = MemoryHost::default();
        let config = json!({
            "provider": "offline", "prompt": "go", "tools": [{ "mcp": "every" }],
            "script": [
                { "call": [
                    { "tool": "every.get-sum", "input": { "a": 20, "b": 3 } },
                    { "tool": "every.get-structured-content", "input": { "location": "Chicago" } },
                    { "tool": "every.get-tiny-image" },
                    { "tool": "every.get-sum", "input": { "a": "x", "b": 3 } },
                    { "tool": "every.trigger-long-running-operation", "input": { "duration": 1, "steps": 2 } },
                ] },
                { "say": "${{ output[0] }}" },
            ],
        });
        let call = AgentCall { host: Arc::new(host.clone()), ..call(AgentType::Llm, config) };

        let (answer, shown) = run(AgentsConfig { mcp, ..local_config() }, call).await;

        assert_eq!(answer.unwrap()["text"], "The sum of 20 and 3 is 23.", "{way}: {shown:?}");
        assert!(!shown.iter().any(|line| line.contains("left out")), "{way}: {shown:?}");
        let results: std::collections::BTreeMap<String, Value> =
            host.parts().into_iter().map(|part| (part.key, part.data)).collect();
        println!("{way}: {} tools", results["tools.every"]["tools"].as_array().unwrap().len());
        assert!(results["call.1.2"]["output"]["temperature"].is_number(), "{way}: {results:?}");
        let picture = results["call.1.3"]["output"].as_array().unwrap();
        assert!(picture.iter().any(|block| block["type"] == "image" && block.get("data").is_none()), "{way}");
        // What does not fit its schema is refused here, and not recorded.
        assert!(!results.contains_key("call.1.4"), "{way}");
        assert!(results["call.1.5"]["output"].as_str().unwrap().contains("completed"), "{way}: {results:?}");
    }
}
