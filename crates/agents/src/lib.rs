//! The agents: code, api, llm, data. Adapters of the domain's [agent runner](turbocat_domain::port::AgentRunner).
//!
//! One folder a type. What the types share is shared once: `egress` is the only way out of the process by
//! network (see [`EgressPolicy`]), and the only place where a user's program runs is a child process without rights ([`child_main`]).
//!
//! # How to add an agent type
//!
//! Add the variant to [`AgentType`](turbocat_domain::agent::AgentType); a folder here with a `Config` that is read
//! by a `config::Reader` and an `async fn run`; one arm in [`validate_config`] and one in [`Agents`].
//!
//! # Invariants
//!
//! 1. No user's program is run, or even parsed, in the process of the server, and no user names a command.
//! 2. Nothing of an attempt outlives its future: processes are killed and connections closed when it is dropped.
//! 3. An address that is not public is reached only if the operator allowed it.
//! 4. A key of the operator is sent to no host but those that the operator named for it.
//! 5. No secret of the operator is in what an agent hands back, in the forms that `redaction` knows.

mod agents;
mod api;
mod child;
mod code;
mod config;
mod data;
mod egress;
mod host;
mod llm;
mod mcp;
mod redaction;
mod secret;

pub use agents::{Agents, AgentsConfig, AgentsError};
pub use child::{SANDBOX_LAYERS, child_main};
pub use config::validate_config;
pub use egress::{EgressPolicy, InvalidEgressRule};
pub use host::{SandboxLayer, sandbox_report};
pub use llm::{LlmConfig, LlmEndpoint, Schemas};
pub use mcp::{InvalidMcpServer, McpServer, McpServers};
pub use secret::{NamedSecret, Secret, Secrets};
