//! What the tables need to know of an aggregate: its keys, its references, and what a save leaves alone.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    agent::Agent,
    api_key::ApiKey,
    deployment::Deployment,
    id::{AgentId, ApiKeyId, DeploymentId, TemplateId, UserId, WorkflowId},
    port::Cursor,
    template::Template,
    user::User,
    value::{SoftDelete, Version},
    workflow::Workflow,
};

use super::tables::{Table, Tables};

/// A row of a table.
pub(super) trait Row: SoftDelete + Clone + Send + Sync + 'static {
    /// Its id.
    type Id: Copy + Ord + Send + Sync + 'static;
    /// What errors call it.
    const ENTITY: &'static str;

    /// Its id.
    fn id(&self) -> Self::Id;
    /// Its place in a list.
    fn cursor(&self) -> Cursor;
    /// When it was last changed.
    fn updated_at(&self) -> DateTime<Utc>;
    /// Notes that it was changed.
    fn touch(&mut self, now: DateTime<Utc>);
    /// Takes over what a save does not write: metrics, and when it was made and deleted.
    fn keep(&mut self, stored: &Self);
    /// Whether another row has one of its keys.
    fn clashes(&self, tables: &Tables) -> bool;
    /// Whether all that it refers to is there.
    fn refers(&self, tables: &Tables) -> bool;
    /// Its table.
    fn table(tables: &Tables) -> &Table<Self>;
    /// Its table, to be changed.
    fn table_mut(tables: &mut Tables) -> &mut Table<Self>;
}

/// Implements [`Row`]: the fields that are alike in all aggregates, and the two rules that are not.
macro_rules! row {
    (
        $row:ident($id:ident) in $table:ident, $entity:literal;
        metrics: $($metric:ident),*;
        clashes: $clashes:expr;
        refers: $refers:expr
    ) => {
        impl Row for $row {
            type Id = $id;
            const ENTITY: &'static str = $entity;

            fn id(&self) -> $id {
                self.id
            }

            fn cursor(&self) -> Cursor {
                Cursor { created_at: self.created_at, id: self.id.as_uuid() }
            }

            fn updated_at(&self) -> DateTime<Utc> {
                self.updated_at
            }

            fn touch(&mut self, now: DateTime<Utc>) {
                self.updated_at = now;
            }

            fn keep(&mut self, stored: &Self) {
                self.created_at = stored.created_at;
                self.deleted_at = stored.deleted_at;
                $(self.$metric.clone_from(&stored.$metric);)*
            }

            fn clashes(&self, tables: &Tables) -> bool {
                let clashes: fn(&Self, &Self) -> bool = $clashes;
                tables.$table.rows().any(|other| other.id != self.id && clashes(self, other))
            }

            fn refers(&self, tables: &Tables) -> bool {
                let refers: fn(&Self, &Tables) -> bool = $refers;
                refers(self, tables)
            }

            fn table(tables: &Tables) -> &Table<Self> {
                &tables.$table
            }

            fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
                &mut tables.$table
            }
        }
    };
}

row! {
    User(UserId) in users, "user";
    metrics: ;
    clashes: |user, other| user.email == other.email;
    refers: |_, _| true
}

row! {
    Agent(AgentId) in agents, "agent";
    metrics: total_executions, successful_executions, failed_executions, avg_execution_time_ms,
        total_execution_time_ms;
    clashes: |agent, other| {
        agent.is_active() && other.is_active() && agent.user_id == other.user_id && agent.name == other.name
    };
    refers: |agent, tables| {
        tables.users.contains(agent.user_id) && agent.parent_id.is_none_or(|id| tables.agents.contains(id))
    }
}

row! {
    Workflow(WorkflowId) in workflows, "workflow";
    metrics: total_executions, successful_executions, failed_executions, avg_execution_time_ms,
        total_execution_time_ms, last_execution_at;
    clashes: |workflow, other| {
        workflow.is_active()
            && other.is_active()
            && workflow.user_id == other.user_id
            && workflow.name == other.name
    };
    refers: |workflow, tables| {
        tables.users.contains(workflow.user_id)
            && workflow.parent_id.is_none_or(|id| tables.workflows.contains(id))
    }
}

row! {
    Template(TemplateId) in templates, "template";
    metrics: usage_count, rating_average, rating_count;
    clashes: |_, _| false;
    refers: |template, tables| template.user_id.is_none_or(|id| tables.users.contains(id))
}

row! {
    Deployment(DeploymentId) in deployments, "deployment";
    metrics: total_requests, total_errors, avg_response_time_ms, total_response_time_ms, health_status,
        last_health_check_at;
    clashes: |deployment, other| {
        !deployment.is_deleted()
            && !other.is_deleted()
            && deployment.user_id == other.user_id
            && deployment.environment == other.environment
            && deployment.name == other.name
    };
    refers: |deployment, tables| {
        tables.users.contains(deployment.user_id)
            && deployment.workflow_id.is_none_or(|id| tables.workflows.contains(id))
            && deployment.agent_id.is_none_or(|id| tables.agents.contains(id))
    }
}

row! {
    ApiKey(ApiKeyId) in api_keys, "api_key";
    metrics: usage_count, last_used_at;
    clashes: |key, other| key.key_hash == other.key_hash;
    refers: |key, tables| tables.users.contains(key.user_id)
}

/// What has a name to be sorted by.
pub(super) trait Named: Row {
    /// What it is called.
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($row:ident),+) => {
        $(impl Named for $row {
            fn name(&self) -> &str {
                self.name.as_str()
            }
        })+
    };
}

named!(Agent, Workflow, Template, Deployment);

/// What is published under a name of its owner.
pub(super) trait Published: Named {
    /// Whether it is the active version, and not deleted.
    fn is_active(&self) -> bool;
    /// Whose it is.
    fn owner(&self) -> UserId;
    /// Which version of it.
    fn version(&self) -> Version;
    /// Whether everybody may use it.
    fn is_public(&self) -> bool;
}

macro_rules! published {
    ($row:ident) => {
        impl Published for $row {
            fn is_active(&self) -> bool {
                Self::is_active(self)
            }

            fn owner(&self) -> UserId {
                self.user_id
            }

            fn version(&self) -> Version {
                self.version
            }

            fn is_public(&self) -> bool {
                self.is_public
            }
        }
    };
}

published!(Agent);
published!(Workflow);

impl Tables {
    /// The highest version of a name of this owner, active or not, deleted or not.
    pub(super) fn latest<R: Published>(&self, owner: UserId, name: &str) -> Option<&R> {
        let versions = R::table(self).rows().filter(|row| row.owner() == owner && row.name() == name);
        versions.max_by_key(|row| (row.version(), row.cursor().id))
    }

    /// The active version of a name of this owner.
    pub(super) fn active<R: Published>(&self, owner: UserId, name: &str) -> Option<&R> {
        R::table(self).rows().find(|row| row.is_active() && row.owner() == owner && row.name() == name)
    }

    /// The active version of a name: the owner's own, else the newest public one.
    pub(super) fn active_for<R: Published>(&self, owner: UserId, name: &str) -> Option<&R> {
        self.active(owner, name).or_else(|| {
            let public = R::table(self).rows().filter(|row| row.is_active() && row.is_public() && row.name() == name);
            public.max_by_key(|row| (row.cursor().created_at, row.cursor().id))
        })
    }
}
