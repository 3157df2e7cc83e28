//! The permits of agents.

use async_trait::async_trait;
use turbocat_domain::{
    id::{AgentId, WorkerId},
    permit::{PermitGrant, PermitRequest, PermitShare},
    port::{PermitLedger, Result},
};

use super::MemoryStore;

#[async_trait]
impl PermitLedger for MemoryStore {
    async fn take_permits(&self, worker: WorkerId, agent: AgentId, request: PermitRequest) -> Result<PermitGrant> {
        let (now, mut state) = (self.now(), self.state());
        let limit = state.tables.agents.get(agent).and_then(|agent| agent.max_concurrent_executions);
        let Some(limit) = limit.filter(|_| state.engine.is_alive(worker)) else { return Ok(PermitGrant::default()) };
        let mut shares = std::mem::take(&mut state.engine.permits);
        shares.retain(|(_, holder), _| state.engine.is_alive(*holder));
        let own = shares.remove(&(agent, worker)).unwrap_or_default();
        let others: Vec<PermitShare> =
            shares.iter().filter(|((of, _), _)| *of == agent).map(|(_, share)| *share).collect();
        let (share, is_contended) = own.next(request, (limit.max(1), &others), now);
        if share.wanted > 0 {
            shares.insert((agent, worker), share);
        }
        state.engine.permits = shares;
        Ok(PermitGrant { granted: share.granted, is_contended })
    }
}
