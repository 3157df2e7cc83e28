//! The permits of agents that may run only so often at once, shared by all workers.

use async_trait::async_trait;

use super::Result;
use crate::{
    id::{AgentId, WorkerId},
    permit::{PermitGrant, PermitRequest},
};

/// Shares permits.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PermitLedger: Send + Sync {
    /// Says what a worker wants of an agent, in place of what it said before, and returns what it has now; nothing for a
    /// worker that is marked dead, or an agent that is not there or has no limit.
    ///
    /// MUST be atomic for one agent. MUST count what workers hold that are not marked dead, and nothing of others.
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant>;
}
