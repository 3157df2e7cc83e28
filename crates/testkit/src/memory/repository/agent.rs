//! The agents, in a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    agent::Agent,
    id::{AgentId, UserId},
    port::{AgentRepository, Result},
};

use super::super::{row::Row, unit_of_work::MemoryUnitOfWork};

#[async_trait]
impl AgentRepository for MemoryUnitOfWork {
    async fn insert(&mut self, agents: &[Agent]) -> Result<()> {
        let agents = agents.to_vec();
        self.apply(move |tables| tables.insert(&agents))
    }

    async fn save(&mut self, agent: &Agent, now: DateTime<Utc>) -> Result<()> {
        let agent = agent.clone();
        self.apply(move |tables| tables.save(&agent, now))
    }

    async fn delete(&mut self, id: AgentId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.delete::<Agent>(id, now))
    }

    async fn restore(&mut self, id: AgentId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.restore::<Agent>(id, now))
    }

    async fn lock_latest<'a>(&mut self, owner: UserId, name: &'a str) -> Result<Option<Agent>> {
        self.lock_name((Agent::ENTITY, owner, name.to_owned())).await?;
        Ok(self.view.latest(owner, name).cloned())
    }
}
