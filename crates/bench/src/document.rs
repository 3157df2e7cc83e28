//! The workflows of the workloads, published as any other.

use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};
use turbocat_application::{Argon2Hasher, Ports, SourceFile, UseCases};
use turbocat_domain::{
    execution::TriggerType,
    id::{ExecutionId, UserId, WorkflowId},
    port::{IdGenerator, NewExecution},
};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_schema::JsonSchemas;

use crate::{
    adapter::{AnyConfig, SystemClock, UuidV7},
    server::Database,
};

/// How long an execution of the bench may take, in milliseconds.
const TIMEOUT_MS: u64 = 24 * 3_600_000;

/// A shape of workflow. All its steps are run by one agent, which may run any number at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So many steps, one after another.
    Chain(usize),
    /// So many steps at once, and one that waits for all of them.
    FanOut(usize),
}

impl Shape {
    /// The keys of the steps that run, in an order in which they can.
    pub(crate) fn keys(&self) -> Vec<String> {
        match self {
            Self::Chain(length) => (0..*length).map(|n| format!("step{n}")).collect(),
            Self::FanOut(width) => (0..*width).map(|n| format!("step{n}")).chain(["join".to_owned()]).collect(),
        }
    }

    /// How many steps an execution runs.
    pub(crate) fn steps(&self) -> usize {
        self.keys().len()
    }

    fn document(&self) -> Value {
        let keys = self.keys();
        let steps: Vec<Value> = (0..).zip(&keys).map(|(place, key)| self.step(&keys, place, key)).collect();
        json!({ "name": "bench", "settings": { "timeout_ms": TIMEOUT_MS, "max_parallel_steps": 1_000 }, "steps": steps })
    }

    fn step(&self, keys: &[String], place: usize, key: &str) -> Value {
        let depends_on = match self {
            Self::Chain(_) => keys.get(place.saturating_sub(1)..place).unwrap_or_default(),
            Self::FanOut(width) if place == *width => keys.get(..place).unwrap_or_default(),
            Self::FanOut(_) => &[],
        };
        json!({ "key": key, "type": "agent", "agent": "bench", "depends_on": depends_on })
    }
}

/// A workflow that is published.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    /// Its version.
    pub(crate) id: WorkflowId,
    /// Whose it is.
    pub(crate) user_id: UserId,
    /// How many steps an execution runs.
    pub(crate) steps: usize,
    /// What its executions are given.
    pub(crate) input: Value,
}

impl Workflow {
    /// Publishes a workflow of a shape, and the agent of its steps.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub(crate) async fn publish(database: &Database, shape: &Shape) -> anyhow::Result<Self> {
        Self::publish_document(database, &shape.document(), shape.steps()).await
    }

    /// Publishes a document whose executions run so many steps, and the agent of its steps.
    ///
    /// # Errors
    ///
    /// If it is not valid, or the database does not answer.
    pub(crate) async fn publish_document(database: &Database, document: &Value, steps: usize) -> anyhow::Result<Self> {
        let store = PgStore::connect(&ConnectOptions::new(&database.url)).await?;
        let use_cases = use_cases(&store);
        let admin = use_cases.seed(None, &Argon2Hasher).await?.admin;
        let agent = json!({ "kind": "agent", "name": "bench", "type": "data", "config": { "program": "." } });
        let file = |value: &Value| SourceFile { name: "bench.json".to_owned(), text: value.to_string() };
        let published = use_cases.publish(admin, &[file(&agent), file(document)]).await?;
        let id = published.published.last().context("nothing was published")?.id;
        store.close().await;
        // A document gives its agent a bound, and the bound would be what is measured.
        let unbounded = "UPDATE agents SET max_concurrent_executions = NULL WHERE name = 'bench'";
        sqlx::query(unbounded).execute(&mut database.connect().await?).await?;
        Ok(Self { id: WorkflowId::from_uuid(id), user_id: admin.id, steps, input: json!({}) })
    }

    /// A new execution of it.
    pub(crate) fn execution(&self) -> NewExecution {
        NewExecution {
            id: ExecutionId::from_uuid(UuidV7.next()),
            workflow_id: self.id,
            user_id: self.user_id,
            trigger_type: TriggerType::Api,
            trigger_data: json!({}),
            input: self.input.clone(),
            steps_total: u32::try_from(self.steps).unwrap_or(u32::MAX),
            timeout_ms: TIMEOUT_MS,
            parent: None,
            depth: 0,
        }
    }
}

fn use_cases(store: &PgStore) -> UseCases {
    UseCases::new(Ports {
        store: Arc::new(store.clone()),
        queries: Arc::new(store.clone()),
        queue: Arc::new(store.clone()),
        clock: Arc::new(SystemClock),
        ids: Arc::new(UuidV7),
        schemas: Arc::new(JsonSchemas::default()),
        agent_configs: Arc::new(AnyConfig),
    })
}

#[cfg(test)]
mod tests {
    use turbocat_application::Reading;

    use super::*;

    #[test]
    fn the_join_waits_for_all_and_a_chain_for_the_one_before() {
        let fan_out = Shape::FanOut(40).document();
        let chain = Shape::Chain(10).document();

        assert_eq!(fan_out["steps"][40]["depends_on"].as_array().unwrap().len(), 40);
        assert_eq!(fan_out["steps"][39]["depends_on"], json!([]));
        assert_eq!(chain["steps"][9]["depends_on"], json!(["step8"]));
        assert_eq!((Shape::FanOut(40).steps(), Shape::Chain(10).steps()), (41, 10));
    }

    #[test]
    fn the_documents_are_valid() {
        for shape in [Shape::Chain(1), Shape::Chain(10), Shape::Chain(40), Shape::FanOut(40)] {
            let text = shape.document().to_string();
            let reading = Reading::read(&[SourceFile { name: "bench.json".to_owned(), text }]);
            assert!(reading.is_ok(), "{shape:?}: {reading:?}");
        }
    }
}
