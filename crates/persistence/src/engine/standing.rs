//! Executions that are inserted again, because nobody knows what became of them the first time.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use turbocat_domain::{
    id::WorkerId,
    port::{NewExecution, RepositoryError, Result},
};
use uuid::Uuid;

use crate::{error::ErrorContext, sql};

const ENTITY: &str = "execution";

#[derive(FromQueryResult)]
struct StandingRow {
    id: Uuid,
    workflow_id: Uuid,
    user_id: Uuid,
    worker_id: Option<Uuid>,
    parent_execution_id: Option<Uuid>,
    parent_path: Option<String>,
    created_at: NaiveDateTime,
}

/// What stands of executions: by their ids, and in the places of children.
pub(super) struct Standing {
    by_id: HashMap<Uuid, StandingRow>,
    children: HashSet<(Uuid, String)>,
}

impl Standing {
    pub(super) async fn read(conn: &impl ConnectionTrait, executions: &[NewExecution]) -> Result<Self> {
        let ids: Vec<Uuid> = executions.iter().map(|new| new.id.as_uuid()).collect();
        let children = executions.iter().filter_map(child_key).unzip();
        let statement = sql::list_standing_executions(ids.clone(), children);
        let rows = StandingRow::find_by_statement(statement).all(conn).await.about(ENTITY)?;
        let ids: HashSet<Uuid> = ids.into_iter().collect();
        let key = |row: &StandingRow| row.parent_execution_id.zip(row.parent_path.clone());
        Ok(Self {
            children: rows.iter().filter_map(key).collect(),
            by_id: rows.into_iter().filter(|row| ids.contains(&row.id)).map(|row| (row.id, row)).collect(),
        })
    }

    /// The executions that are to be inserted; of children in one place, the first.
    pub(super) fn missing(&self, executions: &[NewExecution]) -> Result<Vec<NewExecution>> {
        let (mut missing, mut children) = (Vec::new(), self.children.clone());
        for new in executions {
            if child_key(new).is_some_and(|key| !children.insert(key)) {
                continue;
            }
            match self.by_id.get(&new.id.as_uuid()) {
                None => missing.push(new.clone()),
                Some(row) if row.is_the_same(new) => {}
                Some(_) => return Err(RepositoryError::AlreadyExists { entity: ENTITY }),
            }
        }
        Ok(missing)
    }

    /// When the first of them were inserted.
    pub(super) fn inserted_at(&self) -> Option<DateTime<Utc>> {
        self.by_id.values().map(|row| row.created_at.and_utc()).min()
    }

    /// Whether each of the executions stands, and is the worker's. A worker that is dead has none.
    pub(super) fn are_all_of(&self, worker: WorkerId, executions: &[NewExecution]) -> bool {
        let owner = |new: &NewExecution| self.by_id.get(&new.id.as_uuid())?.worker_id;
        executions.iter().all(|new| owner(new) == Some(worker.as_uuid()))
    }
}

impl StandingRow {
    fn is_the_same(&self, new: &NewExecution) -> bool {
        self.workflow_id == new.workflow_id.as_uuid() && self.user_id == new.user_id.as_uuid()
    }
}

fn child_key(new: &NewExecution) -> Option<(Uuid, String)> {
    new.parent.as_ref().map(|(parent, path)| (parent.as_uuid(), path.clone()))
}
