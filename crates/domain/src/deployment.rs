//! Deployments: a workflow or an agent behind an endpoint, in an environment.
//!
//! # Invariants
//!
//! 1. A deployment has one target: a workflow or an agent, in one version that no publication changes.
//! 2. What it ran at any time is a revision, which is never changed; it can be gone back to.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    id::{AgentId, DeploymentId, DeploymentRevisionId, UserId, WorkflowId},
    limits,
    value::{Name, SecretHash, average_ms, soft_delete, text_enum},
};

text_enum! {
    /// Where a deployment runs.
    #[derive(Default)]
    pub enum Environment: "an environment" {
        /// For who writes it.
        Development = "development",
        /// For who tests it.
        Staging = "staging",
        /// For who uses it.
        #[default]
        Production = "production",
    }
}

text_enum! {
    /// How a deployment stands.
    #[derive(Default)]
    pub enum DeploymentStatus: "a deployment status" {
        /// It does not answer.
        #[default]
        Stopped = "stopped",
        /// It is about to answer.
        Starting = "starting",
        /// It answers.
        Running = "running",
        /// It ends what it has begun, and takes nothing new.
        Stopping = "stopping",
        /// It could not start, or go on.
        Failed = "failed",
        /// It is kept from answering for a while.
        Maintenance = "maintenance",
    }
}

impl DeploymentStatus {
    /// Whether the next status may follow this one.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        match self {
            Self::Stopped | Self::Failed => matches!(next, Self::Starting),
            Self::Starting => matches!(next, Self::Running | Self::Stopping | Self::Failed),
            Self::Running => matches!(next, Self::Stopping | Self::Maintenance | Self::Failed),
            Self::Maintenance => matches!(next, Self::Starting | Self::Running | Self::Stopping | Self::Failed),
            Self::Stopping => matches!(next, Self::Stopped | Self::Starting | Self::Failed),
        }
    }
}

text_enum! {
    /// What the last check of a deployment found.
    #[derive(Default)]
    pub enum HealthStatus: "a health status" {
        /// There was none.
        #[default]
        Unknown = "unknown",
        /// All is well.
        Healthy = "healthy",
        /// It does not work.
        Unhealthy = "unhealthy",
        /// It works, with errors.
        Degraded = "degraded",
    }
}

/// What a deployment runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeploymentTarget {
    /// A workflow.
    Workflow(WorkflowId),
    /// An agent.
    Agent(AgentId),
}

/// A workflow or an agent behind an endpoint.
#[derive(Clone, PartialEq)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// What it is called.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is.
    pub user_id: UserId,
    /// The workflow that it runs, unless it runs an agent.
    pub workflow_id: Option<WorkflowId>,
    /// The agent that it runs, unless it runs a workflow.
    pub agent_id: Option<AgentId>,
    /// Where it runs.
    pub environment: Environment,
    /// How it stands.
    pub status: DeploymentStatus,
    /// How it runs.
    pub config: Value,
    /// What expressions see as `env`. May hold what others must not read.
    pub environment_vars: Value,
    /// Where it answers.
    pub endpoint_url: Option<String>,
    /// The hash of the key that its callers need.
    pub api_key_hash: Option<SecretHash>,
    /// The memory that it may use, in MiB.
    pub allocated_memory_mb: u32,
    /// Its share of the processor, against that of others.
    pub allocated_cpu_shares: u32,
    /// When it last began to answer.
    pub deployed_at: Option<DateTime<Utc>>,
    /// When it was last checked.
    pub last_health_check_at: Option<DateTime<Utc>>,
    /// What that check found.
    pub health_status: HealthStatus,
    /// How often it was called.
    pub total_requests: u32,
    /// How often that failed.
    pub total_errors: u32,
    /// The average time of an answer, in milliseconds.
    pub avg_response_time_ms: u32,
    /// The sum of all times, in milliseconds: what the average is made of.
    pub total_response_time_ms: u64,
    /// The number of the revision that holds, which is the latest.
    pub revision: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What every new deployment needs; the rest has defaults: `Deployment { config, ..Deployment::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: Name,
    /// What it runs.
    pub target: DeploymentTarget,
}

impl Deployment {
    /// A new deployment in production, stopped.
    #[must_use]
    pub fn new(new: NewDeployment, now: DateTime<Utc>) -> Self {
        let (workflow_id, agent_id) = match new.target {
            DeploymentTarget::Workflow(id) => (Some(id), None),
            DeploymentTarget::Agent(id) => (None, Some(id)),
        };
        Self {
            id: new.id,
            name: new.name,
            description: None,
            user_id: new.user_id,
            workflow_id,
            agent_id,
            environment: Environment::default(),
            status: DeploymentStatus::default(),
            config: json!({}),
            environment_vars: json!({}),
            endpoint_url: None,
            api_key_hash: None,
            allocated_memory_mb: limits::DEPLOYMENT_MEMORY_MB_DEFAULT,
            allocated_cpu_shares: limits::DEPLOYMENT_CPU_SHARES_DEFAULT,
            deployed_at: None,
            last_health_check_at: None,
            health_status: HealthStatus::default(),
            total_requests: 0,
            total_errors: 0,
            avg_response_time_ms: 0,
            total_response_time_ms: 0,
            revision: DeploymentRevision::FIRST,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// What it runs; `None` for a damaged one that names both or neither.
    #[must_use]
    pub const fn target(&self) -> Option<DeploymentTarget> {
        match (self.workflow_id, self.agent_id) {
            (Some(id), None) => Some(DeploymentTarget::Workflow(id)),
            (None, Some(id)) => Some(DeploymentTarget::Agent(id)),
            _ => None,
        }
    }

    /// Points it at another target.
    pub const fn retarget(&mut self, target: DeploymentTarget) {
        (self.workflow_id, self.agent_id) = match target {
            DeploymentTarget::Workflow(id) => (Some(id), None),
            DeploymentTarget::Agent(id) => (None, Some(id)),
        };
    }

    /// Takes in executions that ended: each was a request.
    pub fn count(&mut self, (successful, failed): (u32, u32), time_ms: u64) {
        self.total_requests = self.total_requests.saturating_add(successful).saturating_add(failed);
        self.total_errors = self.total_errors.saturating_add(failed);
        self.total_response_time_ms = self.total_response_time_ms.saturating_add(time_ms);
        self.avg_response_time_ms = average_ms(self.total_response_time_ms, self.total_requests);
    }
}

/// What a deployment runs from some moment on. It is never changed.
#[derive(Clone, PartialEq)]
pub struct DeploymentRevision {
    /// Its id.
    pub id: DeploymentRevisionId,
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// Its number, counted from 1.
    pub number: u32,
    /// The version of a workflow that is run. For an agent it is one that runs the agent and nothing else.
    pub workflow_id: WorkflowId,
    /// The agent, if that is what is deployed.
    pub agent_id: Option<AgentId>,
    /// How it runs.
    pub config: Value,
    /// What expressions see as `env`.
    pub environment_vars: Value,
    /// Who made it.
    pub user_id: UserId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl DeploymentRevision {
    /// The number of the first revision.
    pub const FIRST: u32 = 1;

    /// What it says is to be run.
    #[must_use]
    pub const fn target(&self) -> DeploymentTarget {
        match self.agent_id {
            Some(id) => DeploymentTarget::Agent(id),
            None => DeploymentTarget::Workflow(self.workflow_id),
        }
    }
}

impl fmt::Debug for DeploymentRevision {
    /// Shows what tells revisions apart, and no variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeploymentRevision")
            .field("deployment_id", &self.deployment_id)
            .field("number", &self.number)
            .field("workflow_id", &self.workflow_id)
            .field("agent_id", &self.agent_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Deployment {
    /// Shows what tells deployments apart, and nothing that could be secret: no hash, no variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("user_id", &self.user_id)
            .field("target", &self.target())
            .field("environment", &self.environment)
            .field("status", &self.status)
            .field("health_status", &self.health_status)
            .finish_non_exhaustive()
    }
}

soft_delete!(Deployment);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn deployment(target: DeploymentTarget) -> Deployment {
        let new = NewDeployment {
            id: DeploymentId::from_uuid(Uuid::nil()),
            user_id: UserId::from_uuid(Uuid::nil()),
            name: Name::parse("Public report").unwrap(),
            target,
        };
        Deployment::new(new, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_new_deployment_has_one_target_and_the_defaults_of_the_specification() {
        let target = DeploymentTarget::Agent(AgentId::from_uuid(Uuid::from_u128(1)));
        let deployment = deployment(target);

        assert_eq!(deployment.target(), Some(target));
        assert_eq!((deployment.environment, deployment.status), (Environment::Production, DeploymentStatus::Stopped));
        assert_eq!((deployment.allocated_memory_mb, deployment.allocated_cpu_shares), (512, 1_024));
        assert_eq!(deployment.health_status, HealthStatus::Unknown);
    }

    #[test]
    fn both_targets_are_none() {
        let target = DeploymentTarget::Workflow(WorkflowId::from_uuid(Uuid::from_u128(1)));
        let both = Deployment { agent_id: Some(AgentId::from_uuid(Uuid::nil())), ..deployment(target) };

        assert_eq!(both.target(), None);
        assert_eq!(Deployment { workflow_id: None, agent_id: None, ..both }.target(), None);
    }

    #[test]
    fn a_deployment_does_not_show_its_hash_and_its_variables() {
        let target = DeploymentTarget::Workflow(WorkflowId::from_uuid(Uuid::from_u128(1)));
        let deployment = Deployment {
            api_key_hash: Some(SecretHash::new("hash-of-key")),
            environment_vars: json!({"TOKEN": "very-secret"}),
            ..deployment(target)
        };

        let shown = format!("{deployment:?}");
        assert!(shown.contains("Public report") && !shown.contains("hash-of-key") && !shown.contains("very-secret"));
    }

    #[test]
    fn a_deployment_that_runs_is_stopped_in_two_steps() {
        use DeploymentStatus::{Failed, Running, Starting, Stopped, Stopping};

        for pair in [Stopped, Starting, Running, Stopping, Stopped].windows(2) {
            assert!(pair[0].can_become(pair[1]), "{pair:?}");
        }
        for (from, to) in [(Stopped, Running), (Running, Stopped), (Running, Starting), (Failed, Running)] {
            assert!(!from.can_become(to), "{from} -> {to}");
        }
        for status in DeploymentStatus::ALL {
            assert!(!status.can_become(status), "{status}");
        }
    }
}
