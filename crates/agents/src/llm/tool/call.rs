//! Calls of tools: checked, made once, recorded.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use turbocat_domain::{
    agent::{Agent, AgentType},
    agent_form::{check_input, check_output},
    execution_log::LogLevel,
    expression::looks_like_secret,
    limits,
    port::{AgentCall, BUDGET_EXCEEDED, PartKind, SchemaProblem, StepPart, WorkflowCall},
    step_run::StepError,
};

use super::{
    Tool,
    ready::{self, Does, Ready},
    within::Within,
};
use crate::{
    agents::timeout_ms,
    llm::{
        Surroundings,
        chat::{ToolCall, ToolResult, ToolSpec},
        conversation::elapsed_ms,
        parts::Parts,
    },
};

/// Makes the calls of one attempt.
pub(in crate::llm) struct Caller<'a> {
    call: &'a AgentCall,
    around: Surroundings<'a>,
    tools: Vec<Ready<'a>>,
    /// The call that was made last, and how often in a row.
    last: Mutex<(Option<ToolCall>, u32)>,
}

impl<'a> Caller<'a> {
    /// Looks up what the tools name, before anything is paid for.
    pub(in crate::llm) async fn new(
        call: &'a AgentCall,
        around: Surroundings<'a>,
        (tools, parts): (&'a [Tool], &Parts<'_>),
    ) -> Result<Self, StepError> {
        let tools = ready::all(call, around, (tools, parts)).await?;
        Ok(Self { call, around, tools, last: Mutex::default() })
    }

    /// The tools, as a model is told of them.
    pub(in crate::llm) fn specs(&self) -> Vec<ToolSpec> {
        let spec = |ready: &Ready<'_>| ToolSpec {
            name: ready.name.clone(),
            description: ready.description.clone(),
            input: ready.input.clone(),
        };
        self.tools.iter().map(spec).collect()
    }

    /// Makes one call, or reads what it came to. An error is one of the attempt; those of the tool are results.
    pub(in crate::llm) async fn make(
        &self,
        key: &str,
        wanted: &ToolCall,
        parts: &Parts<'_>,
    ) -> Result<ToolResult, StepError> {
        let result = |output: Value, is_error| ToolResult {
            id: wanted.id.clone(),
            name: wanted.name.clone(),
            output: shortened(output),
            is_error,
        };
        let refused = self.repeats(wanted)?.map_or_else(|| self.refusal(wanted), Some);
        if let Some(refusal) = refused {
            return Ok(result(Value::String(refusal), true));
        }
        let data = if let Some(data) = parts.get(key) {
            data.clone()
        } else {
            let began = Instant::now();
            let outcome = self.run(key, wanted).await;
            let duration_ms = elapsed_ms(began);
            if let Err(error) = &outcome
                && matches!(error.code.as_str(), "lease_lost" | BUDGET_EXCEEDED)
            {
                return Err(error.clone());
            }
            let tool = self.find(&wanted.name).map_or(wanted.name.as_str(), |ready| ready.shown.as_str());
            let data = match self.around.redactor.outcome(outcome) {
                Ok(output) => json!({ "tool": tool, "output": output, "duration_ms": duration_ms }),
                Err(error) => {
                    let error = json!({ "code": error.code, "message": error.message });
                    json!({ "tool": tool, "error": error, "duration_ms": duration_ms })
                }
            };
            let part = StepPart { key: key.to_owned(), kind: PartKind::Call, data };
            self.call.host.record(part, None).await?
        };
        Ok(match data.get("error") {
            Some(error) => result(Value::String(format!("{}: {}", text(error, "code"), text(error, "message"))), true),
            None => result(data.get("output").cloned().unwrap_or_default(), false),
        })
    }

    /// What is wrong with a call, for the model to see.
    fn refusal(&self, wanted: &ToolCall) -> Option<String> {
        let Some(ready) = self.find(&wanted.name) else {
            let names: Vec<&str> = self.tools.iter().map(|ready| ready.name.as_str()).collect();
            return Some(format!("there is no tool `{}`; there are: {}", wanted.name, names.join(", ")));
        };
        if looks_like_secret(&wanted.input) {
            return Some("the tool was not called: an input cannot refer to a secret".to_owned());
        }
        let problems = self.around.schemas.validate(&ready.input, &wanted.input).err()?;
        let all = SchemaProblem::list(&problems);
        Some(format!("the tool was not called, because its input does not fit its schema: {all}"))
    }

    /// Tells a model that goes round in circles so, and ends it if it does not stop.
    fn repeats(&self, wanted: &ToolCall) -> Result<Option<String>, StepError> {
        const TOLD_AFTER: u32 = 3;
        const ENDED_AFTER: u32 = 6;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = last.0.as_ref().is_some_and(|last| last.name == wanted.name && last.input == wanted.input);
        let times = if is_same { last.1 + 1 } else { 1 };
        *last = (Some(wanted.clone()), times);
        if times > ENDED_AFTER {
            let message = format!("the model calls `{}` with the same input again and again", wanted.name);
            return Err(StepError::permanent("llm_loop", message));
        }
        let message = || format!("the tool was not called: you have called it with this very input {TOLD_AFTER} times");
        Ok((times > TOLD_AFTER).then(message))
    }

    fn find(&self, name: &str) -> Option<&Ready<'_>> {
        self.tools.iter().find(|ready| ready.name == name || ready.shown == name)
    }

    async fn run(&self, key: &str, wanted: &ToolCall) -> Result<Value, StepError> {
        let Some(ready) = self.find(&wanted.name) else {
            return Err(StepError::permanent("unknown_tool", "there is no such tool"));
        };
        self.around.log.log(LogLevel::Info, &format!("calls {}", ready.shown));
        let most = self.most_ms(ready);
        let call = self.operate(ready, key, wanted);
        tokio::time::timeout(Duration::from_millis(most), call)
            .await
            .unwrap_or_else(|_| Err(StepError::transient("timeout", format!("the tool took longer than {most} ms"))))
    }

    /// How long a call may take.
    fn most_ms(&self, ready: &Ready<'_>) -> u64 {
        let seconds = match &ready.does {
            Does::Agent(agent) => agent.max_execution_time,
            Does::Workflow(_) | Does::Mcp { .. } => None,
        };
        let agents = seconds.map_or(u64::MAX, |seconds| u64::from(seconds).saturating_mul(1_000));
        ready.timeout_ms.unwrap_or(u64::MAX).min(agents).min(timeout_ms(self.call))
    }

    async fn operate(&self, ready: &Ready<'_>, key: &str, wanted: &ToolCall) -> Result<Value, StepError> {
        match &ready.does {
            Does::Workflow(name) => {
                let (key, workflow, inputs) = (key.to_owned(), (*name).to_owned(), wanted.input.clone());
                self.call.host.run_workflow(WorkflowCall { key, workflow, inputs, waits: true }).await
            }
            Does::Agent(agent) if agent.kind == AgentType::Workflow => self.run_workflow(agent, (key, wanted)).await,
            Does::Agent(agent) => self.run_agent(ready, agent, (key, wanted)).await,
            Does::Mcp { session, tool } => {
                session.call(tool, &wanted.input, &format!("{}/{key}", self.call.idempotency_key())).await
            }
        }
    }

    /// Runs an agent of type `workflow`, which says what its workflow is given and gives.
    async fn run_workflow(&self, agent: &Agent, (key, wanted): (&str, &ToolCall)) -> Result<Value, StepError> {
        let inputs = agent.inputs_over_parameters(wanted.input.clone());
        check_input(agent, &inputs, self.around.schemas)?;
        let workflow = agent.config.get("workflow").and_then(Value::as_str).unwrap_or_default().to_owned();
        let call = WorkflowCall { key: key.to_owned(), workflow, inputs, waits: agent.waits_for_end() };
        let answer = self.call.host.run_workflow(call).await?;
        check_output(agent, &answer, self.around.schemas)?;
        Ok(answer)
    }

    async fn run_agent(
        &self,
        ready: &Ready<'_>,
        agent: &Arc<Agent>,
        (key, wanted): (&str, &ToolCall),
    ) -> Result<Value, StepError> {
        if self.call.path.matches("/call.").count() >= limits::LLM_DEPTH_MAX {
            let message = format!("agents may call agents to a depth of {}", limits::LLM_DEPTH_MAX);
            return Err(StepError::permanent("call_depth", message));
        }
        let call = AgentCall {
            path: format!("{}/{key}", self.call.path),
            agent: Arc::clone(agent),
            inputs: wanted.input.clone(),
            timeout_ms: self.most_ms(ready),
            host: Arc::new(Within { host: Arc::clone(&self.call.host), prefix: key.to_owned() }),
            ..self.call.clone()
        };
        let call = AgentCall { timeout_ms: timeout_ms(&call), ..call };
        self.around.runner.run(call, Arc::clone(self.around.log)).await
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A result that is no longer than a model is given.
fn shortened(output: Value) -> Value {
    let text = match &output {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() <= limits::LLM_RESULT_BYTES_MAX {
        return output;
    }
    let cut = text.get(..text.floor_char_boundary(limits::LLM_RESULT_BYTES_MAX)).unwrap_or_default();
    Value::String(format!("{cut}\n[cut: the result has {} bytes]", text.len()))
}
