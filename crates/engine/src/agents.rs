//! Agents: loaded once, run in tasks of their own.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde_json::Value;
use turbocat_domain::{
    agent::Agent,
    id::AgentId,
    limits::AGENT_MEMORY_MB_DEFAULT,
    port::{AgentCall, AgentRunner, LogSink, RepositoryError},
    step_run::StepError,
};

use crate::core::{Chain, Core};

/// Loads an agent; tries again for as long as storage fails transiently.
pub(crate) async fn load(core: &Arc<Core>, id: AgentId) -> Result<Arc<Agent>, StepError> {
    let read = core.call_again("agent.get", || {
        let queries = Arc::clone(&core.ports.queries);
        async move { queries.agents().get(id).await }
    });
    read.await.map(Arc::new).map_err(|error| {
        tracing::error!(agent.id = %id, error = %Chain(&error), "the agent cannot be read");
        let kind =
            if matches!(error, RepositoryError::NotFound { .. }) { "agent_not_found" } else { "agent_unreadable" };
        StepError::permanent(kind, format!("the agent of this step cannot be loaded: {error}"))
    })
}

/// How long an attempt may take: the smaller of the step's and the agent's limit.
pub(crate) fn effective_timeout_ms(agent: &Agent, step_timeout_ms: u64) -> u64 {
    agent.max_execution_time.map_or(step_timeout_ms, |seconds| step_timeout_ms.min(u64::from(seconds) * 1_000))
}

/// The agent, with no more memory than the deployment has that its execution belongs to.
pub(crate) fn within_memory(agent: Arc<Agent>, memory_mb: Option<u32>) -> Arc<Agent> {
    let own = agent.max_memory_mb.unwrap_or(AGENT_MEMORY_MB_DEFAULT);
    match memory_mb.filter(|most| *most < own) {
        Some(most) => Arc::new(Agent { max_memory_mb: Some(most), ..Agent::clone(&agent) }),
        None => agent,
    }
}

/// Runs one attempt to its answer, its failure, its crash or the end of its time.
pub(crate) async fn attempt(
    runner: Arc<dyn AgentRunner>,
    call: AgentCall,
    log: Arc<dyn LogSink>,
) -> Result<Value, StepError> {
    let timeout_ms = call.timeout_ms;
    let (execution_id, path) = (call.execution_id, call.path.clone());
    let answer = AssertUnwindSafe(runner.run(call, log)).catch_unwind();
    match tokio::time::timeout(Duration::from_millis(timeout_ms), answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => {
            tracing::error!(execution.id = %execution_id, step.path = path, "an agent crashed its runner");
            Err(StepError::transient("crashed", "the agent crashed its runner"))
        }
        Err(_elapsed) => Err(StepError::transient("timeout", format!("the agent took longer than {timeout_ms} ms"))),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use turbocat_domain::{agent::AgentType, agent::NewAgent, id::UserId};
    use uuid::Uuid;

    use super::*;

    fn agent() -> Agent {
        let new = NewAgent {
            id: AgentId::from_uuid(Uuid::nil()),
            user_id: UserId::from_uuid(Uuid::nil()),
            name: "a".parse().unwrap(),
            kind: AgentType::Code,
        };
        Agent::new(new, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_smaller_of_two_timeouts_wins() {
        let agent = Agent { max_execution_time: Some(2), ..agent() };

        assert_eq!(effective_timeout_ms(&agent, 500), 500);
        assert_eq!(effective_timeout_ms(&agent, 5_000), 2_000);
        assert_eq!(effective_timeout_ms(&Agent { max_execution_time: None, ..agent }, 5_000), 5_000);
    }

    #[test]
    fn an_agent_has_no_more_memory_than_its_deployment() {
        let own = |memory_mb, max_memory_mb| {
            within_memory(Arc::new(Agent { max_memory_mb, ..agent() }), memory_mb).max_memory_mb
        };

        assert_eq!(own(Some(64), Some(512)), Some(64));
        assert_eq!(own(Some(512), Some(64)), Some(64));
        assert_eq!(own(None, Some(64)), Some(64));
        assert_eq!((own(Some(64), None), own(None, None)), (Some(64), None));
    }
}
