//! What an attempt has at hand, in memory: for tests of agents without an engine.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value;
use turbocat_domain::{
    agent::Agent,
    port::{AttemptHost, BUDGET_EXCEEDED, Reservation, StepPart, WorkflowCall},
    step_run::StepError,
    usage::Charge,
    value::json_text,
};

type Workflows = Arc<dyn Fn(&WorkflowCall) -> Result<Value, StepError> + Send + Sync>;

/// A host in memory. Clones share what was recorded, as the attempts of a step do.
#[derive(Clone, Default)]
pub struct MemoryHost {
    agents: BTreeMap<String, Arc<Agent>>,
    workflows: Option<Workflows>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    parts: Vec<StepPart>,
    calls: Vec<WorkflowCall>,
    /// How many parts may still be recorded; then the worker has lost the execution.
    left: Option<usize>,
    /// How many tokens one turn may take.
    budget: Option<u64>,
    reserved: Vec<Reservation>,
    charges: Vec<Charge>,
}

impl MemoryHost {
    /// Adds an agent.
    #[must_use]
    pub fn with_agent(mut self, agent: Agent) -> Self {
        self.agents.insert(agent.name.as_str().to_owned(), Arc::new(agent));
        self
    }

    /// Answers calls of workflows.
    #[must_use]
    pub fn with_workflows(
        mut self,
        answer: impl Fn(&WorkflowCall) -> Result<Value, StepError> + Send + Sync + 'static,
    ) -> Self {
        self.workflows = Some(Arc::new(answer));
        self
    }

    /// Lets the worker lose the execution after so many more parts; `None` gives it back.
    pub fn lose_after(&self, parts: Option<usize>) {
        self.shared().left = parts;
    }

    /// Lets each turn take at most so many tokens; `None` for any.
    pub fn set_budget(&self, tokens: Option<u64>) {
        self.shared().budget = tokens;
    }

    /// What was reserved for turns, each time that it was.
    #[must_use]
    pub fn reserved(&self) -> Vec<Reservation> {
        self.shared().reserved.clone()
    }

    /// What the turns that were recorded are charged.
    #[must_use]
    pub fn charges(&self) -> Vec<Charge> {
        self.shared().charges.clone()
    }

    /// What was recorded.
    #[must_use]
    pub fn parts(&self) -> Vec<StepPart> {
        self.shared().parts.clone()
    }

    /// The workflows that were called, each time that they were.
    #[must_use]
    pub fn calls(&self) -> Vec<WorkflowCall> {
        self.shared().calls.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHost").field("agents", &self.agents.keys()).finish_non_exhaustive()
    }
}

#[async_trait]
impl AttemptHost for MemoryHost {
    async fn recorded(&self) -> Result<Vec<StepPart>, StepError> {
        Ok(self.parts())
    }

    async fn reserve(&self, turn: Reservation) -> Result<(), StepError> {
        let mut shared = self.shared();
        shared.reserved.push(turn);
        if shared.budget.is_none_or(|left| shared.reserved.last().is_none_or(|turn| turn.estimate.tokens <= left)) {
            return Ok(());
        }
        Err(StepError::transient(BUDGET_EXCEEDED, "the budget is too small"))
    }

    async fn record(&self, part: StepPart, charge: Option<Charge>) -> Result<Value, StepError> {
        let mut shared = self.shared();
        if let Some(stands) = shared.parts.iter().find(|stands| stands.key == part.key) {
            return Ok(stands.data.clone());
        }
        match &mut shared.left {
            Some(0) => return Err(StepError::transient("lease_lost", "the worker has lost the execution")),
            Some(left) => *left -= 1,
            None => {}
        }
        let (data, _) = json_text::clean(part.data);
        shared.parts.push(StepPart { data: data.clone(), ..part });
        shared.charges.extend(charge);
        Ok(data)
    }

    async fn agent(&self, name: &str) -> Result<Arc<Agent>, StepError> {
        let missing = || StepError::permanent("agent_not_found", format!("there is no agent `{name}`"));
        self.agents.get(name).cloned().ok_or_else(missing)
    }

    async fn run_workflow(&self, call: WorkflowCall) -> Result<Value, StepError> {
        let answer = self.workflows.as_ref().map_or_else(
            || Err(StepError::permanent("workflow_not_found", format!("there is no workflow `{}`", call.workflow))),
            |workflows| workflows(&call),
        );
        self.shared().calls.push(call);
        answer
    }
}
