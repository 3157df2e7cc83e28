//! Servers of tools that speak the Model Context Protocol: what language models call besides agents and workflows.
//!
//! A server is a program that the operator declares ([`McpServer`]), and that is started for an attempt and killed with
//! it; or it is reached by streamable HTTP, by an address that the operator declares or the agent's author names. The
//! protocol itself is that of its official library.
//!
//! # Invariants
//!
//! 1. No agent brings a command.
//! 2. What an author names is reached through the egress, as every request of an agent is.
//! 3. A connection lives no longer than its attempt. One that broke off is opened again by the next call.

mod config;
mod connection;
mod reader;
mod remote;
mod result;

use std::{fmt, sync::Arc};

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Semaphore};
use turbocat_domain::{limits, step_run::StepError};

pub use self::config::{InvalidMcpServer, McpServer, McpServers};
pub(crate) use self::connection::Remote;
use self::{
    config::{Declared, ServerProgram},
    connection::Connection,
};
use crate::{
    AgentsError,
    egress::{EgressClient, EgressPolicy},
    host::ChildHost,
    secret::Secret,
};

/// The operator's servers, ready to be connected with.
#[derive(Debug)]
pub(crate) struct Mcp {
    servers: Vec<(String, Reached)>,
    slots: Arc<Semaphore>,
}

/// How a server is reached.
#[derive(Debug, Clone)]
enum Reached {
    Program(Arc<ServerProgram>),
    Remote(Arc<Remote>),
}

/// What connections are made with.
#[derive(Clone, Copy)]
pub(crate) struct Ways<'a> {
    children: &'a ChildHost,
    slots: &'a Arc<Semaphore>,
}

impl Mcp {
    pub(crate) fn new(declared: McpServers, policy: &EgressPolicy) -> Result<Self, AgentsError> {
        let mut servers = Vec::with_capacity(declared.len());
        for (name, server) in declared {
            let reached = match server.0 {
                Declared::Program(program) => Reached::Program(Arc::new(program)),
                Declared::Remote { url, headers } => {
                    // The operator named it, so it is reached wherever it is.
                    let policy = policy.clone().and_host(url.host_str().unwrap_or_default());
                    let egress = EgressClient::new(policy).map_err(AgentsError::Http)?;
                    let headers = headers.into_iter().filter_map(|(name, value)| {
                        let mut value = HeaderValue::from_str(value.expose()).ok()?;
                        value.set_sensitive(true);
                        Some((name, value))
                    });
                    Reached::Remote(Arc::new(Remote { url, headers: headers.collect::<HeaderMap>(), egress }))
                }
            };
            servers.push((name, reached));
        }
        Ok(Self { servers, slots: Arc::new(Semaphore::new(limits::MCP_PROGRAMS_MAX)) })
    }

    /// The names of the servers that the operator declared.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|(name, _)| name.as_str())
    }

    /// A session with a server that the operator declared.
    pub(crate) fn named<'a>(&'a self, name: &str, children: &'a ChildHost) -> Result<Session<'a>, StepError> {
        let found = self.servers.iter().find(|(declared, _)| declared == name);
        let Some((_, reached)) = found else {
            let names: Vec<&str> = self.names().collect();
            let known = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
            let message =
                format!("no MCP server `{name}` is declared: {known}; who operates the server can declare it");
            return Err(StepError::permanent("mcp_unknown_server", message));
        };
        Ok(self.session(reached.clone(), children))
    }

    /// A session with a server that the author of an agent names.
    pub(crate) fn at<'a>(&'a self, remote: Remote, children: &'a ChildHost) -> Session<'a> {
        self.session(Reached::Remote(Arc::new(remote)), children)
    }

    fn session<'a>(&'a self, reached: Reached, children: &'a ChildHost) -> Session<'a> {
        Session { reached, ways: Ways { children, slots: &self.slots }, open: Mutex::default() }
    }
}

/// What one attempt has of a server: a connection that is opened when it is needed.
pub(crate) struct Session<'a> {
    reached: Reached,
    ways: Ways<'a>,
    open: Mutex<Option<Arc<Connection>>>,
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("reached", &self.reached).finish_non_exhaustive()
    }
}

/// A tool as a server describes it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) input: Value,
}

impl Session<'_> {
    /// The tools that the server has.
    pub(crate) async fn tools(&self) -> Result<Vec<Described>, StepError> {
        let tools = self.connection().await?.tools().await?;
        let describe = |tool: rmcp::model::Tool| Described {
            description: tool.description.map(Into::into).or(tool.title).unwrap_or_default(),
            input: Value::Object(Arc::unwrap_or_clone(tool.input_schema)),
            name: tool.name.into_owned(),
        };
        Ok(tools.into_iter().map(describe).collect())
    }

    /// Calls a tool. The server is told the key, by which it recognises a repetition.
    pub(crate) async fn call(&self, tool: &str, input: &Value, key: &str) -> Result<Value, StepError> {
        let input: Map<String, Value> = input.as_object().cloned().unwrap_or_default();
        self.connection().await?.call(tool, input, key).await
    }

    /// The connection that is open, or a new one.
    async fn connection(&self) -> Result<Arc<Connection>, StepError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = open.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        // What is left of the one before is killed first.
        *open = None;
        let connection = Arc::new(match &self.reached {
            Reached::Program(program) => Connection::start(program, self.ways).await?,
            Reached::Remote(remote) => Connection::open(remote).await?,
        });
        *open = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl McpServer {
    /// What all of them keep out of answers and logs.
    pub(crate) fn all_secrets(servers: &McpServers) -> impl Iterator<Item = &Secret> {
        servers.values().flat_map(Self::secrets)
    }
}
