//! A runner of agents that answers as it was told to, and remembers every call.

use std::{
    collections::HashMap,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use turbocat_domain::{
    port::{AgentCall, AgentRunner, LogSink},
    step_run::StepError,
};

/// How a scripted agent answers a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// With an output.
    Reply(Value),
    /// With a failure.
    Fail(StepError),
    /// Like this, when so much of the runtime's time has passed.
    After(Duration, Result<Value, StepError>),
    /// Never: the call ends when it is dropped.
    Hang,
}

impl From<Value> for Answer {
    fn from(output: Value) -> Self {
        Self::Reply(output)
    }
}

impl From<StepError> for Answer {
    fn from(error: StepError) -> Self {
        Self::Fail(error)
    }
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// It has no answer yet.
    Running,
    /// It has its answer.
    Answered,
    /// It was dropped before: cancelled, timed out, or its worker died.
    Dropped,
}

/// A call as the other side of the agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// The key by which the other side knows a repetition.
    pub idempotency_key: String,
    /// The name of the agent.
    pub agent: String,
    /// The path of the step.
    pub path: String,
    /// 1 for the first attempt.
    pub attempt: u16,
    /// What the agent was given.
    pub inputs: Value,
    /// How the call stands.
    pub state: CallState,
}

type Script = Arc<dyn Fn(&AgentCall) -> Answer + Send + Sync>;

/// A runner that answers by scripts: that of the step's path, else that of the agent's name, else with the inputs.
/// Clones share the ledger.
#[derive(Clone, Default)]
pub struct ScriptedRunner {
    by_path: HashMap<String, Script>,
    by_agent: HashMap<String, Script>,
    ledger: Arc<Mutex<Vec<LedgerEntry>>>,
}

impl ScriptedRunner {
    /// A runner whose every agent answers with what it was given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Scripts an agent, by its name.
    #[must_use]
    pub fn agent<A: Into<Answer>>(
        mut self,
        name: impl Into<String>,
        script: impl Fn(&AgentCall) -> A + Send + Sync + 'static,
    ) -> Self {
        self.by_agent.insert(name.into(), Arc::new(move |call| script(call).into()));
        self
    }

    /// Scripts a step, by its path.
    #[must_use]
    pub fn path<A: Into<Answer>>(
        mut self,
        path: impl Into<String>,
        script: impl Fn(&AgentCall) -> A + Send + Sync + 'static,
    ) -> Self {
        self.by_path.insert(path.into(), Arc::new(move |call| script(call).into()));
        self
    }

    /// All calls so far, in the order in which they came in.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        entries(&self.ledger).clone()
    }

    /// The calls with one idempotency key: more than one is a repetition that the other side can see.
    #[must_use]
    pub fn calls(&self, idempotency_key: &str) -> Vec<LedgerEntry> {
        let ledger = entries(&self.ledger);
        ledger.iter().filter(|entry| entry.idempotency_key == idempotency_key).cloned().collect()
    }

    fn answer(&self, call: &AgentCall) -> Answer {
        let script = self.by_path.get(&call.path).or_else(|| self.by_agent.get(call.agent.name.as_str()));
        script.map_or_else(|| Answer::Reply(call.inputs.clone()), |script| script(call))
    }

    /// Writes a call into the ledger.
    fn open(&self, call: &AgentCall) -> OpenCall {
        let mut ledger = entries(&self.ledger);
        ledger.push(LedgerEntry {
            idempotency_key: call.idempotency_key(),
            agent: call.agent.name.as_str().to_owned(),
            path: call.path.clone(),
            attempt: call.attempt,
            inputs: call.inputs.clone(),
            state: CallState::Running,
        });
        OpenCall { ledger: Arc::clone(&self.ledger), index: ledger.len() - 1, end: CallState::Dropped }
    }
}

#[async_trait]
impl AgentRunner for ScriptedRunner {
    async fn run(&self, call: AgentCall, _log: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let mut open = self.open(&call);
        let result = match self.answer(&call) {
            Answer::Reply(output) => Ok(output),
            Answer::Fail(error) => Err(error),
            Answer::After(delay, result) => {
                tokio::time::sleep(delay).await;
                result
            }
            Answer::Hang => future::pending().await,
        };
        open.end = CallState::Answered;
        result
    }
}

/// A call under way; notes its end when it goes out of scope, however it does.
struct OpenCall {
    ledger: Arc<Mutex<Vec<LedgerEntry>>>,
    index: usize,
    end: CallState,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if let Some(entry) = entries(&self.ledger).get_mut(self.index) {
            entry.state = self.end;
        }
    }
}

fn entries(ledger: &Mutex<Vec<LedgerEntry>>) -> MutexGuard<'_, Vec<LedgerEntry>> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turbocat_domain::{
        agent::AgentType,
        id::ExecutionId,
        port::{IdGenerator, MockLogSink},
    };

    use super::*;
    use crate::{
        builder::{a_user, an_agent},
        host::MemoryHost,
        ids::SequentialIds,
    };

    fn a_call(path: &str) -> AgentCall {
        let ids = SequentialIds::new(1);
        let owner = a_user(&ids);
        AgentCall {
            execution_id: ExecutionId::from_uuid(ids.next()),
            user_id: owner.id,
            path: path.to_owned(),
            attempt: 1,
            agent: Arc::new(an_agent(&ids, owner.id, AgentType::Code)),
            inputs: json!({"n": 1}),
            timeout_ms: 1_000,
            host: Arc::new(MemoryHost::default()),
        }
    }

    fn a_sink() -> Arc<dyn LogSink> {
        Arc::new(MockLogSink::new())
    }

    #[tokio::test]
    async fn a_path_is_scripted_before_its_agent_and_what_is_not_scripted_echoes() {
        let agent = a_call("x").agent.name.as_str().to_owned();
        let runner = ScriptedRunner::new()
            .agent(agent, |_| json!("agent"))
            .path("second", |call| StepError::permanent("refused", call.path.clone()));

        assert_eq!(ScriptedRunner::new().run(a_call("any"), a_sink()).await, Ok(json!({"n": 1})));
        assert_eq!(runner.run(a_call("first"), a_sink()).await, Ok(json!("agent")));
        assert_eq!(runner.run(a_call("second"), a_sink()).await, Err(StepError::permanent("refused", "second")));
    }

    #[tokio::test]
    async fn the_ledger_tells_repetitions_and_calls_that_were_dropped() {
        let runner = ScriptedRunner::new().path("slow", |_| Answer::Hang);
        let key = a_call("fast").idempotency_key();
        runner.run(a_call("fast"), a_sink()).await.unwrap();
        runner.run(a_call("fast"), a_sink()).await.unwrap();
        tokio::select! {
            biased;
            _ = runner.run(a_call("slow"), a_sink()) => unreachable!("it hangs"),
            () = future::ready(()) => {}
        }

        assert_eq!(runner.calls(&key).len(), 2);
        let states: Vec<CallState> = runner.ledger().iter().map(|entry| entry.state).collect();
        assert_eq!(states, [CallState::Answered, CallState::Answered, CallState::Dropped]);
    }
}
