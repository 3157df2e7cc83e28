//! Workflows: what executions run.
//!
//! # Invariants
//!
//! 1. Only a draft changes its content; what is published is followed by a new version instead.
//! 2. A new version is a draft, starts without metrics, and knows the row that it came from.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    id::{UserId, WorkflowId},
    value::{CronExpression, Name, Tag, TimeZone, Version, average_ms, publication_status, soft_delete},
};

publication_status!(
    /// Where a workflow is in its life.
    WorkflowStatus, "a workflow status"
);

/// One version of a workflow, without its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// What it is called; versions share it.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it is in its life.
    pub status: WorkflowStatus,
    /// The number of the version.
    pub version: Version,
    /// The version that it came from.
    pub parent_id: Option<WorkflowId>,
    /// The document.
    pub definition: Value,
    /// What else than people starts it.
    pub trigger_config: Value,
    /// Whether its schedule is on.
    pub schedule_enabled: bool,
    /// When its schedule fires.
    pub schedule_cron: Option<CronExpression>,
    /// The zone in which its schedule is meant.
    pub schedule_timezone: TimeZone,
    /// How often it ran.
    pub total_executions: u32,
    /// How often it completed.
    pub successful_executions: u32,
    /// How often it did not.
    pub failed_executions: u32,
    /// The average time of an execution, in milliseconds.
    pub avg_execution_time_ms: u32,
    /// The sum of all times, in milliseconds: what the average is made of.
    pub total_execution_time_ms: u64,
    /// When an execution last ended.
    pub last_execution_at: Option<DateTime<Utc>>,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What every new workflow needs; the rest has defaults: `Workflow { definition, ..Workflow::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkflow {
    /// Its id.
    pub id: WorkflowId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub name: Name,
}

impl Workflow {
    /// The first version of a new workflow, a private draft without a schedule.
    #[must_use]
    pub fn new(new: NewWorkflow, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            name: new.name,
            description: None,
            user_id: new.user_id,
            status: WorkflowStatus::default(),
            version: Version::FIRST,
            parent_id: None,
            definition: json!({}),
            trigger_config: json!({}),
            schedule_enabled: false,
            schedule_cron: None,
            schedule_timezone: TimeZone::UTC,
            total_executions: 0,
            successful_executions: 0,
            failed_executions: 0,
            avg_execution_time_ms: 0,
            total_execution_time_ms: 0,
            last_execution_at: None,
            tags: Vec::new(),
            is_public: false,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// The version after this one: a draft with the same content, no metrics, and this one as its parent.
    #[must_use]
    pub fn next_version(&self, id: WorkflowId, now: DateTime<Utc>) -> Self {
        let new = NewWorkflow { id, user_id: self.user_id, name: self.name.clone() };
        Self {
            description: self.description.clone(),
            version: self.version.next(),
            parent_id: Some(self.id),
            definition: self.definition.clone(),
            trigger_config: self.trigger_config.clone(),
            schedule_enabled: self.schedule_enabled,
            schedule_cron: self.schedule_cron.clone(),
            schedule_timezone: self.schedule_timezone,
            tags: self.tags.clone(),
            is_public: self.is_public,
            ..Self::new(new, now)
        }
    }

    /// Whether it is the version that its name stands for.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == WorkflowStatus::Active && self.deleted_at.is_none()
    }

    /// Whether another user may see and run it.
    #[must_use]
    pub fn is_usable_by(&self, user: UserId) -> bool {
        self.deleted_at.is_none() && (self.user_id == user || self.is_public)
    }

    /// Takes in executions that ended, the last of them at `ended_at`.
    pub fn count(&mut self, (successful, failed): (u32, u32), time_ms: u64, ended_at: DateTime<Utc>) {
        self.successful_executions = self.successful_executions.saturating_add(successful);
        self.failed_executions = self.failed_executions.saturating_add(failed);
        self.total_executions = self.total_executions.saturating_add(successful).saturating_add(failed);
        self.total_execution_time_ms = self.total_execution_time_ms.saturating_add(time_ms);
        self.avg_execution_time_ms = average_ms(self.total_execution_time_ms, self.total_executions);
        self.last_execution_at = self.last_execution_at.max(Some(ended_at));
    }
}

soft_delete!(Workflow);

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn scheduled() -> Workflow {
        let new = NewWorkflow {
            id: WorkflowId::from_uuid(Uuid::from_u128(1)),
            user_id: UserId::from_uuid(Uuid::from_u128(2)),
            name: Name::parse("Report").unwrap(),
        };
        Workflow {
            status: WorkflowStatus::Active,
            definition: json!({"name": "Report"}),
            schedule_enabled: true,
            schedule_cron: Some(CronExpression::parse("0 9 * * *").unwrap()),
            schedule_timezone: TimeZone::parse("Asia/Tokyo").unwrap(),
            ..Workflow::new(new, NOW)
        }
    }

    #[test]
    fn the_next_version_keeps_the_content_and_begins_without_a_history() {
        let mut first = scheduled();
        first.count((2, 1), 900, NOW);
        let (id, later) = (WorkflowId::from_uuid(Uuid::from_u128(9)), NOW + TimeDelta::days(1));

        let next = first.next_version(id, later);

        let expected = Workflow {
            id,
            status: WorkflowStatus::Draft,
            version: Version::FIRST.next(),
            parent_id: Some(first.id),
            total_executions: 0,
            successful_executions: 0,
            failed_executions: 0,
            avg_execution_time_ms: 0,
            total_execution_time_ms: 0,
            last_execution_at: None,
            created_at: later,
            updated_at: later,
            ..first
        };
        assert_eq!(next, expected);
    }

    #[test]
    fn the_last_execution_is_the_latest_in_whatever_order_they_are_counted() {
        let mut workflow = scheduled();
        workflow.count((1, 0), 100, NOW + TimeDelta::hours(1));
        workflow.count((0, 1), 200, NOW);

        assert_eq!(workflow.last_execution_at, Some(NOW + TimeDelta::hours(1)));
        assert_eq!((workflow.total_executions, workflow.avg_execution_time_ms), (2, 150));
    }
}
