//! What the use cases are tested on.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use turbocat_application::{
    Actor, AgentConfigValidator, Error, LocatedProblem, Ports, PublishReport, Result, SourceFile, UseCases,
};
use turbocat_domain::{
    agent::AgentType,
    port::{AuditLogFilter, Clock, PageRequest, Queries, Store},
    problem::{Problem, Problems},
    user::{User, UserRole},
};
use turbocat_schema::JsonSchemas;
use turbocat_testkit::{builder, ids::SequentialIds, memory::MemoryStore};

/// A store, the use cases on it, and one user.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) use_cases: UseCases,
    pub(crate) ids: Arc<SequentialIds>,
    pub(crate) user: Actor,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (store, ids) = (MemoryStore::default(), Arc::new(SequentialIds::new(1)));
        let use_cases = UseCases::new(Ports {
            store: Arc::new(store.clone()),
            queries: Arc::new(store.clone()),
            queue: Arc::new(store.clone()),
            clock: Arc::new(store.clock().clone()),
            ids: Arc::clone(&ids) as _,
            schemas: Arc::new(JsonSchemas::default()),
            agent_configs: Arc::new(NoColour),
        });
        let user = a_user(&store, &ids, UserRole::User).await;
        Self { store, use_cases, ids, user }
    }

    /// Another user.
    pub(crate) async fn another(&self, role: UserRole) -> Actor {
        a_user(&self.store, &self.ids, role).await
    }

    /// The time, which goes on when something is published.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.store.clock().now()
    }

    /// Publishes one file.
    pub(crate) async fn publish(&self, text: &str) -> Result<PublishReport> {
        self.publish_as(self.user, text).await
    }

    /// Publishes one file for somebody.
    pub(crate) async fn publish_as(&self, actor: Actor, text: &str) -> Result<PublishReport> {
        self.store.clock().advance_ms(1);
        let file = SourceFile { name: "file.yaml".to_owned(), text: text.to_owned() };
        self.use_cases.publish(actor, &[file]).await
    }

    /// The problems of a file that must have some.
    pub(crate) async fn problems(&self, text: &str) -> Vec<LocatedProblem> {
        match self.publish(text).await {
            Err(Error::Documents(problems)) => problems,
            other => panic!("expected problems, got {other:?}"),
        }
    }

    /// What the audit log says, the oldest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let page = PageRequest { limit: 200, after: None };
        let entries = self.store.audit_logs().list(&AuditLogFilter::default(), page).await.unwrap().items;
        entries.into_iter().rev().map(|entry| entry.action).collect()
    }
}

async fn a_user(store: &MemoryStore, ids: &SequentialIds, role: UserRole) -> Actor {
    let user = User { role, ..builder::a_user(ids) };
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&user).await.unwrap();
    uow.commit().await.unwrap();
    Actor::from(&user)
}

/// What became of each document, in short: `agent count-words: created 1`.
pub(crate) fn told(report: &PublishReport) -> Vec<String> {
    let told = report.published.iter();
    told.map(|one| format!("{} {}: {} {}", one.kind.as_str(), one.name, one.change.as_str(), one.version)).collect()
}

/// Accepts every config that has no `colour`.
struct NoColour;

#[async_trait]
impl AgentConfigValidator for NoColour {
    async fn check(&self, _kind: AgentType, config: &Value) -> std::result::Result<(), Problems> {
        if *config.get("colour").unwrap_or(&json!(null)) == json!(null) {
            return Ok(());
        }
        Err(Problem::new("invalid_config", "colour", "an agent has no colour").into())
    }
}
