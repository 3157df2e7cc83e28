//! The aggregates that are inserted, saved, deleted, restored and listed alike, for the rules that hold for all.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use turbocat_domain::{
    agent::{Agent, AgentType},
    api_key::ApiKey,
    deployment::{Deployment, DeploymentTarget, HealthStatus},
    id::UserId,
    port::{
        AgentFilter, Cursor, DeploymentFilter, Page, PageRequest, Result, TemplateFilter, UnitOfWork, UserFilter,
        WorkflowFilter,
    },
    template::Template,
    user::{User, UserRole},
    value::{CronExpression, Name, Scope, SecretHash, Tag},
    workflow::Workflow,
};

use super::{ContractStore, Scene};
use crate::builder::{a_deployment, a_template, a_user, a_workflow, an_agent, an_api_key};

/// A kind of aggregate.
#[async_trait]
pub(super) trait Kind: Clone + PartialEq + Debug + Send + Sync + Sized {
    /// Whether one that is deleted is still read by its id.
    const SHOWS_DELETED: bool;

    /// One whose every field has something in it.
    fn make(scene: &Scene) -> Self;
    /// Changes it.
    fn change(&mut self);
    /// One that refers to a user who is not there.
    fn orphan(&mut self, nobody: UserId);
    /// Its place in a list.
    fn cursor(&self) -> Cursor;
    /// Moves its creation, and its last change with it.
    fn create_at(&mut self, at: DateTime<Utc>);
    /// Notes when it was changed last, and whether that deleted it.
    fn touch(&mut self, now: DateTime<Utc>, deleted: bool);

    async fn insert(&self, uow: &mut dyn UnitOfWork) -> Result<()>;
    async fn save(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<()>;
    async fn delete(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<()>;
    async fn restore(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<()>;
    async fn get(&self, store: &dyn ContractStore) -> Result<Self>;
    async fn list(&self, store: &dyn ContractStore, with_deleted: bool, page: PageRequest) -> Result<Page<Self>>;
}

/// Implements [`Kind`] with what is alike in all aggregates.
macro_rules! kind {
    (
        $row:ident in $table:ident, shows deleted: $shows:literal;
        make: $make:expr;
        change: $change:expr;
        orphan: $orphan:expr;
        insert: |$self:ident, $repository:ident| $insert:expr;
        list: |$row_too:ident, $queries:ident, $with_deleted:ident, $page:ident| $list:expr
    ) => {
        #[async_trait]
        impl Kind for $row {
            const SHOWS_DELETED: bool = $shows;

            fn make(scene: &Scene) -> Self {
                let make: fn(&Scene) -> Self = $make;
                make(scene)
            }

            fn change(&mut self) {
                let change: fn(&mut Self) = $change;
                change(self);
            }

            fn orphan(&mut self, nobody: UserId) {
                let orphan: fn(&mut Self, UserId) = $orphan;
                orphan(self, nobody);
            }

            fn cursor(&self) -> Cursor {
                Cursor { created_at: self.created_at, id: self.id.as_uuid() }
            }

            fn create_at(&mut self, at: DateTime<Utc>) {
                self.created_at = at;
                self.updated_at = at;
            }

            fn touch(&mut self, now: DateTime<Utc>, deleted: bool) {
                self.updated_at = now;
                self.deleted_at = if deleted { Some(now) } else { None };
            }

            async fn insert(&self, uow: &mut dyn UnitOfWork) -> Result<()> {
                let ($self, $repository) = (self, uow.$table());
                $insert.await
            }

            async fn save(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<()> {
                uow.$table().save(self, now).await
            }

            async fn delete(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<()> {
                uow.$table().delete(self.id, now).await
            }

            async fn restore(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<()> {
                uow.$table().restore(self.id, now).await
            }

            async fn get(&self, store: &dyn ContractStore) -> Result<Self> {
                store.$table().get(self.id).await
            }

            async fn list(
                &self,
                store: &dyn ContractStore,
                $with_deleted: bool,
                $page: PageRequest,
            ) -> Result<Page<Self>> {
                let ($row_too, $queries) = (self, store.$table());
                $list
            }
        }
    };
}

kind! {
    User in users, shows deleted: false;
    make: |scene| User {
        password_hash: Some(SecretHash::new("$argon2id$hash")),
        full_name: Some(a_name("Ada Lovelace")),
        avatar_url: Some("https://example.com/ada.png".to_owned()),
        role: UserRole::Agent,
        is_active: false,
        email_verified: true,
        email_verified_at: Some(scene.user.created_at),
        last_login_at: Some(scene.user.created_at),
        preferences: json!({ "theme": "dark" }),
        ..a_user(&scene.ids)
    };
    change: |user| user.full_name = Some(a_name("Countess Lovelace"));
    // A user refers to nobody: a second one with the id of the first is refused instead.
    orphan: |_, _| ();
    insert: |row, repository| repository.insert(row);
    list: |_row, queries, with_deleted, page| queries.list(&UserFilter { with_deleted, ..UserFilter::default() }, page).await
}

kind! {
    Agent in agents, shows deleted: true;
    make: |scene| Agent {
        description: Some("Does things".to_owned()),
        parent_id: Some(scene.agent.id),
        config: json!({ "url": "https://example.com" }),
        capabilities: json!(["search"]),
        parameters: json!({ "limit": 5 }),
        max_execution_time: None,
        max_memory_mb: Some(64),
        max_concurrent_executions: None,
        tags: tags(&["demo", "web"]),
        is_public: true,
        is_template: true,
        ..an_agent(&scene.ids, scene.user.id, AgentType::Api)
    };
    change: |agent| agent.config = json!({ "url": "https://example.org" });
    orphan: |agent, nobody| agent.user_id = nobody;
    insert: |row, repository| repository.insert(std::slice::from_ref(row));
    list: |row, queries, with_deleted, page| {
        queries.list(&AgentFilter { with_deleted, owner: Some(row.user_id), ..AgentFilter::default() }, page).await
    }
}

kind! {
    Workflow in workflows, shows deleted: true;
    make: |scene| Workflow {
        description: Some("Reports".to_owned()),
        parent_id: Some(scene.workflow.id),
        trigger_config: json!({ "webhook": {} }),
        schedule_enabled: true,
        schedule_cron: Some(CronExpression::parse("0 9 * * MON-FRI").expect("a valid expression")),
        tags: tags(&["demo"]),
        is_public: true,
        ..a_workflow(&scene.ids, &scene.agent, &[]).0
    };
    change: |workflow| workflow.description = None;
    orphan: |workflow, nobody| workflow.user_id = nobody;
    insert: |row, repository| repository.insert(row, &[]);
    list: |row, queries, with_deleted, page| {
        queries.list(&WorkflowFilter { with_deleted, owner: Some(row.user_id), ..WorkflowFilter::default() }, page).await
    }
}

kind! {
    Template in templates, shows deleted: false;
    make: |scene| Template {
        description: Some("A start".to_owned()),
        user_id: Some(scene.user.id),
        tags: tags(&["start"]),
        is_official: true,
        is_public: true,
        ..a_template(&scene.ids)
    };
    change: |template| template.template_data = json!({ "type": "llm" });
    orphan: |template, nobody| template.user_id = Some(nobody);
    insert: |row, repository| repository.insert(std::slice::from_ref(row));
    list: |_row, queries, with_deleted, page| {
        queries.list(&TemplateFilter { with_deleted, ..TemplateFilter::default() }, page).await
    }
}

kind! {
    Deployment in deployments, shows deleted: false;
    make: |scene| Deployment {
        description: Some("In front".to_owned()),
        config: json!({ "replicas": 2 }),
        environment_vars: json!({ "REGION": "eu" }),
        endpoint_url: Some("https://example.com/run".to_owned()),
        api_key_hash: Some(SecretHash::new("hash")),
        allocated_memory_mb: 64,
        allocated_cpu_shares: 10,
        deployed_at: Some(scene.user.created_at),
        last_health_check_at: Some(scene.user.created_at),
        health_status: HealthStatus::Degraded,
        ..a_deployment(&scene.ids, scene.user.id, DeploymentTarget::Workflow(scene.workflow.id))
    };
    change: |deployment| deployment.config = json!({ "timeout_ms": 1_000 });
    orphan: |deployment, nobody| deployment.user_id = nobody;
    insert: |row, repository| repository.insert(row);
    list: |_row, queries, with_deleted, page| {
        queries.list(&DeploymentFilter { with_deleted, ..DeploymentFilter::default() }, page).await
    }
}

kind! {
    ApiKey in api_keys, shows deleted: false;
    make: |scene| ApiKey {
        scopes: vec![Scope::parse("workflows:*").expect("a valid scope")],
        expires_at: Some(scene.user.created_at + TimeDelta::days(30)),
        rate_limit_per_minute: 7,
        ..an_api_key(&scene.ids, scene.user.id)
    };
    change: |key| key.is_active = false;
    orphan: |key, nobody| key.user_id = nobody;
    insert: |row, repository| repository.insert(row);
    // There is no list of deleted keys.
    list: |row, queries, _with_deleted, page| queries.list(row.user_id, page).await
}

fn a_name(text: &str) -> Name {
    Name::parse(text).expect("a valid name")
}

fn tags(words: &[&str]) -> Vec<Tag> {
    words.iter().map(|word| Tag::parse(*word).expect("a valid tag")).collect()
}
