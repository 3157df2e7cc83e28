//! Faults of the server: one of its processes is killed, or all of them, or it lets nobody in.

use std::time::Duration;

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection, PgConnection};

use super::{kind::Fault, nemesis::Nemesis};
use crate::dice::Dice;

/// More than a server lets in.
const CONNECTIONS_MAX: usize = 200;

impl Nemesis {
    /// Kills one process of the server that serves a worker: the server ends all sessions and recovers.
    pub(super) async fn kill_backend(&self, dice: &mut Dice) {
        let sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'turbocat' ORDER BY pid";
        let Ok(backends) = sqlx::query_scalar::<_, i32>(sessions).fetch_all(&self.world.database.pool).await else {
            return;
        };
        if let Some(&pid) = dice.pick(&backends)
            && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
        {
            self.count(Fault::KillBackend);
        }
    }

    /// Kills the first process of the server, and starts the server again.
    pub(super) async fn kill_postgres(&self) -> anyhow::Result<()> {
        self.world.database.crash().await.context("the server did not come back after `kill -9`")?;
        self.count(Fault::KillPostgres);
        Ok(())
    }

    /// Opens connections until the server refuses one, and keeps them for some seconds.
    pub(super) fn exhaust_connections(&self, dice: &mut Dice) {
        let (nemesis, time) = (self.clone(), dice.ms(1_500, 3_500));
        self.lasting.spawn(async move {
            let mut idle = Vec::new();
            let is_full = loop {
                if idle.len() > CONNECTIONS_MAX {
                    break false;
                }
                match PgConnection::connect(nemesis.world.database.url()).await {
                    Ok(connection) => idle.push(connection),
                    Err(error) => break is_too_many(&error),
                }
            };
            if is_full {
                nemesis.count(Fault::Pool);
                nemesis.wait(time).await;
            }
            for connection in idle {
                // One that is lost already is closed, too.
                let _lost = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
            }
        });
    }
}

/// Whether the server says that it has too many clients.
fn is_too_many(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| code == "53300"))
}
