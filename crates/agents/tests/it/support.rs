//! Agents, calls and a log to test with.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::DateTime;
use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig, EgressPolicy, LlmConfig, McpServers, Schemas, Secrets};
use turbocat_domain::{
    agent::{Agent, AgentType, NewAgent},
    execution_log::LogLevel,
    id::{AgentId, ExecutionId, UserId},
    port::{AgentCall, AgentRunner, LogSink},
    step_run::StepError,
    value::Name,
};
use turbocat_schema::JsonSchemas;
use turbocat_testkit::host::MemoryHost;
use uuid::Uuid;

/// The child process of the tests.
pub(crate) fn child_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_turbocat-agent-child"))
}

/// What must hold on every machine that tests are run on.
const FLOOR: [&str; 5] = ["resource_limits", "identity", "no_new_privileges", "descriptors", "seccomp"];

/// What agents are set up with, unless a test says otherwise: nothing but public addresses, no model.
pub(crate) fn config() -> AgentsConfig {
    AgentsConfig {
        child_program: child_program(),
        children_max: 8,
        sandbox_floor: FLOOR.map(str::to_owned).to_vec(),
        python: None,
        egress: EgressPolicy::default(),
        llm: LlmConfig::default(),
        mcp: McpServers::new(),
        schemas: Schemas::new(Arc::new(JsonSchemas::default())),
        secrets: Secrets::new(),
    }
}

/// Agents that may reach this machine.
pub(crate) fn local_config() -> AgentsConfig {
    AgentsConfig { egress: EgressPolicy::allowing(["127.0.0.1"]).unwrap(), ..config() }
}

pub(crate) fn agents() -> Agents {
    Agents::new(config()).unwrap()
}

/// One attempt of an agent of this type; each test has an execution of its own.
pub(crate) fn call(kind: AgentType, config: Value) -> AgentCall {
    static EXECUTIONS: Mutex<u128> = Mutex::new(0);
    let mut executions = EXECUTIONS.lock().unwrap();
    *executions += 1;
    let new = NewAgent {
        id: AgentId::from_uuid(Uuid::nil()),
        user_id: UserId::from_uuid(Uuid::nil()),
        name: Name::parse("tested").unwrap(),
        kind,
    };
    let agent = Agent { config, max_memory_mb: Some(64), ..Agent::new(new, DateTime::UNIX_EPOCH) };
    let process = u128::from(std::process::id()) << 32;
    AgentCall {
        execution_id: ExecutionId::from_uuid(Uuid::from_u128(process + *executions)),
        user_id: UserId::from_uuid(Uuid::nil()),
        // Short and its own: the end of it is what the list of processes shows.
        path: format!("s{:x}.{:x}", std::process::id(), *executions),
        attempt: 1,
        agent: Arc::new(agent),
        inputs: json!({}),
        timeout_ms: 20_000,
        host: Arc::new(MemoryHost::default()),
    }
}

/// A call of a program in JavaScript.
pub(crate) fn code(source: &str) -> AgentCall {
    call(AgentType::Code, json!({ "language": "javascript", "source": source }))
}

/// A call of a program in Python.
pub(crate) fn python(source: &str) -> AgentCall {
    call(AgentType::Code, json!({ "language": "python", "source": source }))
}

/// Whether there is an interpreter that these agents can use; says so if not.
pub(crate) async fn has_python(agents: &Agents) -> bool {
    let found = agents.python().await;
    if let Err(error) = &found {
        eprintln!("skipped: {error}");
    }
    found.is_ok()
}

/// Runs a call and forgets what it printed.
pub(crate) async fn run(call: AgentCall) -> Result<Value, StepError> {
    agents().run(call, Arc::new(Lines::default())).await
}

/// The lines that an agent printed.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<(LogLevel, String)>>);

impl Lines {
    pub(crate) fn take(&self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl LogSink for Lines {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((level, message.to_owned()));
    }
}

/// The process that runs an attempt, if it lives.
pub(crate) fn child_of(call: &AgentCall) -> Option<u32> {
    let name = format!("/{}#{}\n", call.path, call.attempt);
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let shown = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        shown.ends_with(&name).then_some(id)
    })
}

/// Whether a process is there, if only as a zombie.
pub(crate) fn exists(process: u32) -> bool {
    PathBuf::from(format!("/proc/{process}")).exists()
}

/// Asks again and again until there is an answer; 20 seconds without one fail the test.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        ticks.tick().await;
    }
}
