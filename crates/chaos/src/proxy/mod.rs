//! A way to `PostgreSQL` on which things go wrong when they are wanted to.
//!
//! It listens on a socket of its own and passes messages on, each way. It understands as much of the protocol as it
//! takes to know when a commit is under way: then it can lose the answer of one that was made, or lose it before it
//! is made, which a client cannot tell apart. It speaks no encryption.

mod conversation;
mod session;
mod statement;
mod switch;
#[cfg(test)]
mod tests;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use self::session::Session;
pub(crate) use self::{
    statement::Target,
    switch::{Mode, Switch, Trap},
};

/// The number in the name of the socket, as `PostgreSQL` wants it.
const PORT: u16 = 5432;

/// A proxy that listens.
pub(crate) struct Proxy {
    folder: PathBuf,
    /// What is done to its connections.
    pub(crate) switch: Switch,
}

impl Proxy {
    /// Listens on a socket in a folder, which is made, and connects to the server's socket for each client.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made.
    pub(crate) fn open(folder: &Path, server: PathBuf, tasks: &TaskTracker) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let socket = folder.join(format!(".s.PGSQL.{PORT}"));
        let listener = UnixListener::bind(&socket).with_context(|| format!("{} cannot be made", socket.display()))?;
        let switch = Switch::default();
        let (sessions, levers) = (tasks.clone(), switch.clone());
        tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !levers.refuses() {
                    sessions.spawn(serve(client, server.clone(), levers.clone()));
                }
            }
        });
        Ok(Self { folder: folder.to_owned(), switch })
    }

    /// The address of a database through this proxy.
    ///
    /// # Errors
    ///
    /// If the address is none.
    pub(crate) fn url(&self, direct: &str) -> anyhow::Result<String> {
        let options = direct.parse::<PgConnectOptions>()?;
        let database = options.get_database().context("the address names no database")?;
        let (user, folder) = (options.get_username(), self.folder.display());
        Ok(format!("postgres://{user}@localhost:{PORT}/{database}?host={folder}"))
    }
}

/// Serves one client until one of the three has enough: it, the server, or who injects faults.
async fn serve(client: UnixStream, server: PathBuf, switch: Switch) {
    let cut = switch.cut();
    let passing = async {
        let server = UnixStream::connect(server).await?;
        Session::new(client, server, switch).run().await
    };
    // A connection that breaks is what this is for: both ends are closed with it.
    tokio::select! {
        () = cut.cancelled() => {}
        _broken = passing => {}
    }
}
