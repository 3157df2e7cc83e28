//! The events that executions wait for.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{ExecutionId, UserId},
    port::{EventQueries, NewEvent, RepositoryError, Result, StoredEvent, WaitRecord},
};

use super::{
    MemoryStore,
    engine::{Engine, EventRow},
};

const ENTITY: &str = "event";

#[async_trait]
impl EventQueries for MemoryStore {
    async fn publish(&self, event: &NewEvent) -> Result<u64> {
        let (now, mut state) = (self.now(), self.state());
        if state.engine.event_ids.contains(&event.id) {
            return Err(RepositoryError::AlreadyExists { entity: ENTITY });
        }
        if !state.tables.users.contains(event.user_id) {
            return Err(RepositoryError::BrokenReference { entity: ENTITY });
        }
        let row = EventRow {
            id: event.id,
            payload: event.payload.clone(),
            target: event.target.clone(),
            user_id: event.user_id,
            received_at: now,
        };
        let concerned = state.engine.concerned_by(&event.name, &row);
        state.engine.event_ids.insert(event.id);
        state.engine.events.entry(event.name.clone()).or_default().push(row);
        let woken = concerned.into_iter().filter(|id| state.engine.wake(*id, now)).count();
        Ok(u64::try_from(woken).unwrap_or(u64::MAX))
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

impl EventRow {
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
