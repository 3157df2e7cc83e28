//! The ports that the use cases need, in one place.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use turbocat_domain::{
    agent::AgentType,
    port::{Clock, ExecutionQueue, IdGenerator, Queries, SchemaValidator, Store},
    problem::Problems,
};

use crate::Origin;

/// Checks the `config` of agents. The agents' own crate knows how.
#[async_trait]
pub trait AgentConfigValidator: Send + Sync {
    /// Checks a config, and that the program in it can be parsed.
    ///
    /// # Errors
    ///
    /// All problems; paths begin at the config: `url`, not `config.url`.
    async fn check(&self, kind: AgentType, config: &Value) -> Result<(), Problems>;
}

/// What the use cases need of the world.
#[derive(Clone)]
pub struct Ports {
    /// Writes.
    pub store: Arc<dyn Store>,
    /// Reads.
    pub queries: Arc<dyn Queries>,
    /// Cancels executions.
    pub queue: Arc<dyn ExecutionQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New identifiers.
    pub ids: Arc<dyn IdGenerator>,
    /// JSON Schema.
    pub schemas: Arc<dyn SchemaValidator>,
    /// The configs of agents.
    pub agent_configs: Arc<dyn AgentConfigValidator>,
}

/// The use cases. A unit of work must not be dropped half-way: where a caller may be cancelled (a request whose
/// client goes away), call them in a task of their own.
#[derive(Clone)]
pub struct UseCases {
    pub(crate) ports: Ports,
    /// Where the request came from, for the audit log.
    pub(crate) origin: Option<Arc<Origin>>,
}

impl UseCases {
    /// The use cases over these ports.
    #[must_use]
    pub const fn new(ports: Ports) -> Self {
        Self { ports, origin: None }
    }

    /// The same for a request from elsewhere: its audit entries say from where.
    #[must_use]
    pub fn on_behalf_of(&self, origin: &Origin) -> Self {
        Self { ports: self.ports.clone(), origin: Some(Arc::new(origin.clone())) }
    }
}
