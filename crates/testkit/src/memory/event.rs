//! The events that executions wait for.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{ExecutionId, UserId},
    port::{EventQueries, NewEvent, RepositoryError, Result, StoredEvent, WaitRecord},
};

use super::{
    MemoryStore, State,
    engine::{Engine, EventRow},
};

const ENTITY: &str = "event";

#[async_trait]
impl EventQueries for MemoryStore {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        let now = self.now();
        self.state().publish(event, now)
    }

    async fn received<'a>(
        &self,
        name: &'a str,
        since: DateTime<Utc>,
        target: (ExecutionId, &'a str),
    ) -> Result<Vec<StoredEvent>> {
        let state = self.state();
        let user = state.engine.user_of(target.0);
        let events = state.engine.events.get(name).into_iter().flatten();
        Ok(events
            .filter(|event| event.received_at >= since && event.is_meant_for(user, target))
            .map(|event| StoredEvent { id: event.id, payload: event.payload.clone(), received_at: event.received_at })
            .collect())
    }
}

impl State {
    /// Stores an event and wakes whom it concerns.
    pub(super) fn publish(&mut self, event: &NewEvent, now: DateTime<Utc>) -> Result<u64> {
        self.would_wake(event)?;
        let row = EventRow::new(event, now);
        let concerned = self.engine.concerned_by(&event.name, &row);
        self.engine.event_ids.insert(event.id);
        self.engine.events.entry(event.name.clone()).or_default().push(row);
        let woken = concerned.into_iter().filter(|id| self.engine.wake(*id, now)).count();
        Ok(u64::try_from(woken).unwrap_or(u64::MAX))
    }

    /// How many executions an event would wake, or why it would be refused.
    pub(super) fn would_wake(&self, event: &NewEvent) -> Result<u64> {
        if self.engine.event_ids.contains(&event.id) {
            return Err(RepositoryError::AlreadyExists { entity: ENTITY });
        }
        if !self.tables.users.contains(event.user_id) {
            return Err(RepositoryError::BrokenReference { entity: ENTITY });
        }
        let row = EventRow::new(event, DateTime::<Utc>::MIN_UTC);
        let is_open =
            |id: &ExecutionId| self.engine.executions.get(id).is_some_and(|row| !row.execution.status.is_terminal());
        let woken = self.engine.concerned_by(&event.name, &row).iter().filter(|id| is_open(id)).count();
        Ok(u64::try_from(woken).unwrap_or(u64::MAX))
    }
}

impl EventRow {
    fn new(event: &NewEvent, received_at: DateTime<Utc>) -> Self {
        Self {
            id: event.id,
            payload: event.payload.clone(),
            target: event.target.clone(),
            user_id: event.user_id,
            received_at,
        }
    }

    /// Whether it is for all executions of this user, or for this step of one.
    fn is_meant_for(&self, user: Option<UserId>, (id, path): (ExecutionId, &str)) -> bool {
        Some(self.user_id) == user
            && self.target.as_ref().is_none_or(|(execution, step)| *execution == id && step == path)
    }
}

impl Engine {
    /// The one target of an event, or else all that wait for its name; among those of its user.
    fn concerned_by(&self, name: &str, event: &EventRow) -> BTreeSet<ExecutionId> {
        let mut concerned = event.target.as_ref().map_or_else(
            || self.waiting.get(name).cloned().unwrap_or_default(),
            |(execution, _)| BTreeSet::from([*execution]),
        );
        concerned.retain(|id| self.user_of(*id) == Some(event.user_id));
        concerned
    }

    /// Whether an event that one of these waits is for is there already.
    pub(super) fn has_event_for(&self, id: ExecutionId, waits: &[WaitRecord]) -> bool {
        let user = self.user_of(id);
        waits.iter().any(|wait| {
            // They lie in the order of their times.
            let events = self.events.get(&wait.event_name).into_iter().flatten().rev();
            let mut late_enough = events.take_while(|event| event.received_at >= wait.since);
            late_enough.any(|event| event.is_meant_for(user, (id, &wait.path)))
        })
    }
}
