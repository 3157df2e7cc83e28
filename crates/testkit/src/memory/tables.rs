//! The aggregates that units of work write, as tables that are cheap to copy.
//!
//! A copy shares its rows with the original until one of the two changes: that is what lets each unit of work have
//! a view of its own.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use turbocat_domain::{
    agent::Agent,
    api_key::ApiKey,
    audit_log::AuditLog,
    budget::Budget,
    deployment::{Deployment, DeploymentRevision},
    id::{AuditLogId, BudgetId, DeploymentId, SecretId, SessionId, TemplateId, UserId, WorkflowId},
    idempotency::IdempotencyRecord,
    port::{RepositoryError, Result},
    secret::StoredSecret,
    session::Session,
    template::Template,
    user::User,
    user_token::UserToken,
    workflow::Workflow,
    workflow_step::WorkflowStep,
};

use super::{
    row::Row,
    schedule::{ScheduleRow, TickRow},
};

/// The rows of one aggregate, by id.
pub(super) struct Table<R: Row> {
    rows: Arc<BTreeMap<R::Id, Arc<R>>>,
}

impl<R: Row> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { rows: Arc::clone(&self.rows) }
    }
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: Arc::default() }
    }
}

impl<R: Row> Table<R> {
    /// The row with an id, deleted or not.
    pub(super) fn get(&self, id: R::Id) -> Option<&R> {
        self.rows.get(&id).map(Arc::as_ref)
    }

    /// Whether there is such a row, deleted or not.
    pub(super) fn contains(&self, id: R::Id) -> bool {
        self.rows.contains_key(&id)
    }

    /// All rows, deleted ones too.
    pub(super) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(Arc::as_ref)
    }

    /// Puts a row in, in place of the one with its id.
    pub(super) fn put(&mut self, row: R) {
        Arc::make_mut(&mut self.rows).insert(row.id(), Arc::new(row));
    }

    /// Changes a row, if it is there.
    pub(super) fn change(&mut self, id: R::Id, change: impl FnOnce(&mut R)) {
        if let Some(row) = Arc::make_mut(&mut self.rows).get_mut(&id) {
            change(Arc::make_mut(row));
        }
    }
}

/// A token that was sent to a user, and when it was used or revoked.
#[derive(Debug, Clone)]
pub(super) struct UserTokenRow {
    pub(super) token: UserToken,
    pub(super) used_at: Option<DateTime<Utc>>,
}

impl UserTokenRow {
    /// Whether it can be used now.
    pub(super) fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.used_at.is_none() && now < self.token.expires_at
    }
}

/// All aggregates.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) users: Table<User>,
    pub(super) agents: Table<Agent>,
    pub(super) workflows: Table<Workflow>,
    /// The steps of each workflow, in their order.
    pub(super) steps: Arc<BTreeMap<WorkflowId, Arc<Vec<WorkflowStep>>>>,
    /// The schedules, by owner and name.
    pub(super) schedules: Arc<BTreeMap<(UserId, String), ScheduleRow>>,
    /// What became of their ticks.
    pub(super) ticks: Arc<BTreeMap<(WorkflowId, DateTime<Utc>), TickRow>>,
    pub(super) templates: Table<Template>,
    /// The stars that users gave to templates.
    pub(super) ratings: Arc<BTreeMap<(TemplateId, UserId), u8>>,
    pub(super) deployments: Table<Deployment>,
    /// What deployments ran, by number.
    pub(super) revisions: Arc<BTreeMap<(DeploymentId, u32), DeploymentRevision>>,
    pub(super) api_keys: Table<ApiKey>,
    pub(super) secrets: Arc<BTreeMap<SecretId, StoredSecret>>,
    pub(super) budgets: Arc<BTreeMap<BudgetId, Budget>>,
    pub(super) sessions: Arc<BTreeMap<SessionId, Session>>,
    /// The tokens that were sent to users, by their hashes.
    pub(super) user_tokens: Arc<BTreeMap<String, UserTokenRow>>,
    /// The requests that may be sent again, by user and key.
    pub(super) idempotency_keys: Arc<BTreeMap<(UserId, String), IdempotencyRecord>>,
    pub(super) audit_logs: Arc<BTreeMap<AuditLogId, Arc<AuditLog>>>,
}

impl Tables {
    /// Inserts rows; rows of one call may refer to one another.
    pub(super) fn insert<R: Row>(&mut self, rows: &[R]) -> Result<()> {
        for row in rows {
            if R::table(self).contains(row.id()) || row.clashes(self) {
                return Err(RepositoryError::AlreadyExists { entity: R::ENTITY });
            }
            R::table_mut(self).put(row.clone());
        }
        if rows.iter().all(|row| row.refers(self)) {
            Ok(())
        } else {
            Err(RepositoryError::BrokenReference { entity: R::ENTITY })
        }
    }

    /// Saves a changed row, unless it was changed since it was read.
    pub(super) fn save<R: Row>(&mut self, row: &R, now: DateTime<Utc>) -> Result<()> {
        let stored = R::table(self).get(row.id()).filter(|stored| stored.updated_at() == row.updated_at());
        let stored = stored.ok_or(RepositoryError::Conflict { entity: R::ENTITY })?;
        let mut saved = row.clone();
        saved.keep(stored);
        saved.touch(now);
        self.replace(saved)
    }

    /// Deletes a row, softly.
    pub(super) fn delete<R: Row>(&mut self, id: R::Id, now: DateTime<Utc>) -> Result<()> {
        let mut row = self.find::<R>(id, false)?;
        row.set_deleted_at(Some(now));
        row.touch(now);
        self.replace(row)
    }

    /// Undoes a delete.
    pub(super) fn restore<R: Row>(&mut self, id: R::Id, now: DateTime<Utc>) -> Result<()> {
        let mut row = self.find::<R>(id, true)?;
        row.set_deleted_at(None);
        row.touch(now);
        self.replace(row)
    }

    fn find<R: Row>(&self, id: R::Id, deleted: bool) -> Result<R> {
        let row = R::table(self).get(id).filter(|row| row.is_deleted() == deleted);
        row.cloned().ok_or(RepositoryError::NotFound { entity: R::ENTITY })
    }

    fn replace<R: Row>(&mut self, row: R) -> Result<()> {
        if row.clashes(self) {
            return Err(RepositoryError::AlreadyExists { entity: R::ENTITY });
        }
        if !row.refers(self) {
            return Err(RepositoryError::BrokenReference { entity: R::ENTITY });
        }
        R::table_mut(self).put(row);
        Ok(())
    }
}
