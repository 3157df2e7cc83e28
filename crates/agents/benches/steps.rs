//! What a small step of an agent costs: `cargo bench -p turbocat-agents`.
//!
//! One after another, from the call to the answer: programs in a child process each, a request to a server in this process.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::DateTime;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use turbocat_agents::{Agents, AgentsConfig, EgressPolicy, LlmConfig, McpServers, Schemas, Secrets};
use turbocat_domain::{
    agent::{Agent, AgentType, NewAgent},
    execution_log::LogLevel,
    id::{AgentId, ExecutionId, UserId},
    port::{AgentCall, AgentRunner, LogSink},
    value::Name,
};
use turbocat_schema::JsonSchemas;
use turbocat_testkit::host::MemoryHost;
use uuid::Uuid;

const STEPS: usize = 300;
const WARM_UP: usize = 20;

/// The server closes its connection after each answer, as a stranger may.
const SUM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\nconnection: close\r\n\r\n3";

struct Nowhere;

impl LogSink for Nowhere {
    fn log(&self, _level: LogLevel, _message: &str) {}
}

fn call(kind: AgentType, config: Value) -> Result<AgentCall, Box<dyn Error>> {
    let id = |number| Uuid::from_u128(number);
    let name = Name::parse("measured")?;
    let new = NewAgent { id: AgentId::from_uuid(id(1)), user_id: UserId::from_uuid(id(2)), name, kind };
    Ok(AgentCall {
        execution_id: ExecutionId::from_uuid(id(3)),
        user_id: UserId::from_uuid(id(2)),
        path: "step".to_owned(),
        attempt: 1,
        agent: Arc::new(Agent { config, ..Agent::new(new, DateTime::UNIX_EPOCH) }),
        inputs: json!({ "a": 1, "b": 2 }),
        timeout_ms: 10_000,
        host: Arc::new(MemoryHost::default()),
    })
}

/// A server that answers every request with the sum, and where it is.
async fn server() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if !stream.read_buf(&mut request).await.is_ok_and(|length| length > 0) {
                        return;
                    }
                }
                // A client that has had enough closes early.
                let _closed = stream.write_all(SUM).await;
            });
        }
    });
    Ok(address)
}

async fn measure(agents: &Agents, call: AgentCall) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut took = Vec::with_capacity(STEPS);
    for step in 0..WARM_UP + STEPS {
        let began = Instant::now();
        let answer = agents.run(call.clone(), Arc::new(Nowhere)).await;
        assert_eq!(answer?, json!(3));
        if step >= WARM_UP {
            took.push(began.elapsed());
        }
    }
    took.sort_unstable();
    Ok(took)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let agents = Agents::new(AgentsConfig {
        child_program: PathBuf::from(env!("CARGO_BIN_EXE_turbocat-agent-child")),
        children_max: 8,
        sandbox_floor: Vec::new(),
        python: None,
        egress: EgressPolicy::allowing(["127.0.0.1"])?,
        llm: LlmConfig::default(),
        mcp: McpServers::new(),
        schemas: Schemas::new(Arc::new(JsonSchemas::default())),
        secrets: Secrets::new(),
    })?;
    let javascript = json!({ "language": "javascript", "source": "export default ({ a, b }) => a + b" });
    let python =
        json!({ "language": "python", "source": "def main(inputs, context): return inputs['a'] + inputs['b']" });
    let mut calls = vec![
        ("javascript", call(AgentType::Code, javascript)?),
        ("jq", call(AgentType::Data, json!({ "program": ".a + .b" }))?),
        (
            "api",
            call(
                AgentType::Api,
                json!({ "url": format!("http://{}/sum", server().await?), "response": "${{ output.body }}" }),
            )?,
        ),
    ];
    match agents.python().await {
        Ok(_) => calls.push(("python", call(AgentType::Code, python)?)),
        Err(error) => println!("python: not measured: {error}"),
    }
    for (name, call) in calls {
        let took = measure(&agents, call).await?;
        let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
        println!("{name}: p50 {:?}, p99 {:?} of {} steps", at(50), at(99), took.len());
    }
    Ok(())
}
