//! The sessions that tell of a worker's death at once.
//!
//! A worker holds a session advisory lock on a connection of its own. The server frees it with the process's
//! socket, so that whoever looks sees the death without waiting for the lease. Renewals travel on the same
//! connection: when it is lost while the process lives, the next renewal opens another and takes the lock again.
//! Until then the worker looks dead and may be taken over; it learns so from that renewal or from its next commit,
//! both of which say `Fenced`. Two who run one execution are impossible either way: the fence decides, not the lock.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sea_orm::DatabaseConnection;
use turbocat_domain::{id::WorkerId, port::Result};

use crate::connect::ConnectOptions;

/// The sessions of the workers of this process.
#[derive(Default)]
pub(crate) struct Sessions {
    by_worker: Mutex<HashMap<WorkerId, DatabaseConnection>>,
}

impl Sessions {
    /// The worker's session; a new one if it has none.
    pub(crate) async fn get(&self, worker: WorkerId, options: &ConnectOptions) -> Result<DatabaseConnection> {
        if let Some(session) = self.lock().get(&worker) {
            return Ok(session.clone());
        }
        let session = options.open_session().await?;
        Ok(self.lock().entry(worker).or_insert(session).clone())
    }

    /// Ends the worker's session, and with it its lock.
    pub(crate) async fn close(&self, worker: WorkerId) {
        let session = self.lock().remove(&worker);
        if let Some(session) = session {
            // Closing a pool cannot fail.
            let _closed = session.close_by_ref().await;
        }
    }

    /// Ends all sessions.
    pub(crate) async fn close_all(&self) {
        let sessions: Vec<_> = self.lock().drain().collect();
        for (_, session) in sessions {
            let _closed = session.close_by_ref().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, DatabaseConnection>> {
        // The map is whole after each call on it, whatever panicked meanwhile.
        self.by_worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
