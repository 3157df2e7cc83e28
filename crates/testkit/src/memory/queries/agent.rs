//! Reads agents.

use async_trait::async_trait;
use turbocat_domain::{
    agent::Agent,
    id::{AgentId, UserId},
    port::{AgentFilter, AgentQueries, Page, PageRequest, Result},
};

use super::{super::MemoryStore, has_tag, is_found, is_wanted};

#[async_trait]
impl AgentQueries for MemoryStore {
    async fn get(&self, id: AgentId) -> Result<Agent> {
        self.tables().read(id)
    }

    async fn find_active<'a>(&self, owner: UserId, name: &'a str) -> Result<Option<Agent>> {
        Ok(self.tables().active_for(owner, name).cloned())
    }

    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>> {
        let is_listed = |agent: &Agent| {
            (is_wanted(filter.owner.as_ref(), &agent.user_id) || (filter.public_too && agent.is_public))
                && (agent.is_public || !filter.public_only)
                && filter.name.as_deref().is_none_or(|name| agent.name.as_str() == name)
                && is_wanted(filter.kind.as_ref(), &agent.kind)
                && is_wanted(filter.status.as_ref(), &agent.status)
                && has_tag(filter.tag.as_ref(), &agent.tags)
                && is_found(filter.search.as_ref(), (&agent.name, agent.description.as_deref(), &agent.tags))
        };
        Ok(self.tables().list_sorted((page, filter.sort), filter.with_deleted, is_listed))
    }
}
