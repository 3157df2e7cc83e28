//! How many streams are open: each is a task and a few questions a second, so they are counted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use turbocat_domain::id::UserId;

use crate::{Problem, ProblemCode};

const OF_USER_MAX: usize = 5;
const OF_PROCESS_MAX: usize = 200;

/// The streams that are open. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A stream that is open, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Opens one more, if there may be one.
    pub(crate) fn open(&self, user: UserId) -> Result<OpenStream, Problem> {
        let mut open = self.counts();
        let (all, own): (usize, usize) = (open.values().sum(), open.get(&user).copied().unwrap_or(0));
        let refused = |limit: usize, whose: &str| {
            let detail = format!("{limit} may be open {whose} at once: close one, or try again later");
            Err(Problem::new(ProblemCode::TooManyStreams).with_detail(detail).with("limit", limit.into()))
        };
        if own >= OF_USER_MAX {
            return refused(OF_USER_MAX, "for one user");
        }
        if all >= OF_PROCESS_MAX {
            return refused(OF_PROCESS_MAX, "in one process");
        }
        *open.entry(user).or_insert(0) += 1;
        Ok(OpenStream { streams: self.clone(), user })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.counts();
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_user_has_so_many_and_a_closed_one_makes_room() {
        let (streams, user) = (Streams::default(), UserId::from_uuid(Uuid::nil()));
        let mut open: Vec<_> = (0..OF_USER_MAX).map(|_| streams.open(user).unwrap()).collect();

        assert_eq!(streams.open(user).unwrap_err().code(), ProblemCode::TooManyStreams);
        open.pop();
        open.push(streams.open(user).unwrap());
        drop(open);
        assert!(streams.counts().is_empty());
    }

    #[test]
    fn a_process_has_so_many() {
        let streams = Streams::default();
        let users = (0..).map(|number| UserId::from_uuid(Uuid::from_u128(number)));
        let open: Vec<_> = users.take(OF_PROCESS_MAX).map(|user| streams.open(user).unwrap()).collect();

        assert_eq!(open.len(), OF_PROCESS_MAX);
        assert!(streams.open(UserId::from_uuid(Uuid::from_u128(1_000))).is_err());
    }
}
