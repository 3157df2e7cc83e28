//! A connection to a server: opened, asked, and why it failed.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Url;
use rmcp::{
    RoleClient, ServiceError, ServiceExt,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, PaginatedRequestParams,
        RequestMetaObject, RequestParamsMeta, Tool as ServerTool,
    },
    service::{ClientInitializeError, RunningService},
    transport::{
        IntoTransport, StreamableHttpClientTransport, async_rw::AsyncRwTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value};
use tracing::Span;
use turbocat_domain::{limits, step_run::StepError};

use super::{Ways, config::ServerProgram, reader::Bounded, remote::PolicedClient, result};
use crate::{
    child::ProgramCall,
    egress::EgressClient,
    host::{Launch, Program},
};

/// What servers find the idempotency key of a call under, in its `_meta`.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What every program gets of the server's own environment.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// An address and what goes with every request to it.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) url: Url,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) egress: EgressClient,
}

/// An open connection; dropped, it is closed, and a program that is behind it killed.
pub(super) struct Connection {
    service: RunningService<RoleClient, ClientConfig>,
    end: End,
}

/// The other end.
enum End {
    Program { program: Program, was_exceeded: Arc<AtomicBool> },
    Remote(PolicedClient),
}

impl Connection {
    /// Starts the program of a server.
    pub(super) async fn start(program: &ServerProgram, ways: Ways<'_>) -> Result<Self, StepError> {
        let launch = Launch { call: program_call(program), memory_mb: program.memory_mb };
        let (running, pipes) = ways.children.launch(launch, ways.slots).await?;
        let (reader, was_exceeded) = Bounded::new(pipes.stdout, limits::MCP_MESSAGE_BYTES_MAX);
        let transport = AsyncRwTransport::new_client(reader, pipes.stdin).with_max_line_length(usize::MAX);
        let end = End::Program { program: running, was_exceeded };
        match serve(transport).await {
            Ok(service) => Ok(Self { service, end }),
            Err(error) => Err(end.explain(&error.to_string()).await),
        }
    }

    /// Opens a session with a server.
    pub(super) async fn open(remote: &Remote) -> Result<Self, StepError> {
        let client = PolicedClient::new(remote.egress.client_for(&remote.url)?, remote.url.clone());
        let end = End::Remote(client.clone());
        let mut config = StreamableHttpClientTransportConfig::with_uri(remote.url.as_str());
        config.custom_headers = remote.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        config.max_sse_event_size = limits::MCP_MESSAGE_BYTES_MAX;
        config.max_json_response_size = limits::MCP_MESSAGE_BYTES_MAX;
        let transport = StreamableHttpClientTransport::with_client(client, config);
        match serve(transport).await {
            Ok(service) => Ok(Self { service, end }),
            Err(error) => Err(end.explain(&error.to_string()).await),
        }
    }

    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    /// The tools that the server has, all pages.
    pub(super) async fn tools(&self) -> Result<Vec<ServerTool>, StepError> {
        let listing = async {
            let (mut tools, mut cursor) = (Vec::new(), None);
            for _ in 0..limits::MCP_PAGES_MAX {
                let params = traced(PaginatedRequestParams::default().with_cursor(cursor.take()));
                let page = self.service.peer().list_tools(Some(params)).await;
                let page = match page {
                    Ok(page) => page,
                    Err(error) => return Err(self.failure(&error).await),
                };
                tools.extend(page.tools);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    return Ok(tools);
                }
            }
            let message = format!("the server lists its tools in more than {} pages", limits::MCP_PAGES_MAX);
            Err(StepError::permanent("mcp_refused", message))
        };
        within(listing).await
    }

    /// Calls a tool.
    pub(super) async fn call(&self, tool: &str, input: Map<String, Value>, key: &str) -> Result<Value, StepError> {
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(input);
        let mut meta = RequestMetaObject::new();
        meta.0.insert(IDEMPOTENCY_KEY.to_owned(), key.into());
        params.meta = Some(meta);
        match self.service.call_tool(traced(params)).await {
            Ok(answer) => result::output(answer),
            Err(error) => Err(self.failure(&error).await),
        }
    }

    async fn failure(&self, error: &ServiceError) -> StepError {
        match error {
            ServiceError::McpError(refusal) => {
                let message = format!("the server refuses the request: {}", refusal.message);
                StepError::permanent("mcp_refused", message)
            }
            ServiceError::UnexpectedResponse | ServiceError::InputRequiredRoundsExceeded { .. } => {
                StepError::permanent("mcp_refused", format!("the server does not answer the request: {error}"))
            }
            _ => self.end.explain(&error.to_string()).await,
        }
    }
}

impl End {
    /// Why a connection failed, by what this side saw of it.
    async fn explain(&self, error: &str) -> StepError {
        match self {
            Self::Program { was_exceeded, .. } if was_exceeded.load(Ordering::Acquire) => {
                let most = limits::MCP_MESSAGE_BYTES_MAX;
                let message = format!("the server wrote more than {most} bytes at once; ask it for less");
                StepError::permanent("output_too_large", message)
            }
            Self::Program { program, .. } => {
                let said = program.last_words().await.map_or_else(String::new, |line| format!("; it said: {line}"));
                StepError::transient("mcp_unavailable", format!("the server's program broke off: {error}{said}"))
            }
            Self::Remote(client) => client
                .take_failure()
                .unwrap_or_else(|| StepError::transient("mcp_unavailable", format!("the server broke off: {error}"))),
        }
    }
}

/// The request with the trace of the step, where the protocol has it (its SEP-414): a request is sent by a task of the
/// connection, which knows of no step. By HTTP it becomes the header on the way out.
fn traced<T: RequestParamsMeta>(mut params: T) -> T {
    if let Some(trace) = turbocat_trace::outgoing(&Span::current()) {
        params.set_traceparent(&trace.to_string());
    }
    params
}

/// Greets the server.
async fn serve<T, E, A>(transport: T) -> Result<RunningService<RoleClient, ClientConfig>, StartError>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let client = Implementation::new("turbocat", env!("CARGO_PKG_VERSION"));
    let config = ClientConfig::new(ClientCapabilities::default(), client);
    let most = Duration::from_millis(limits::MCP_CONNECT_TIMEOUT_MS);
    let started = tokio::time::timeout(most, Box::pin(config.serve(transport))).await;
    started.map_err(|_| StartError::Late)?.map_err(|error| StartError::Refused(Box::new(error)))
}

/// Why a session does not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("it did not answer within {} ms", limits::MCP_CONNECT_TIMEOUT_MS)]
    Late,
    #[error("{0}")]
    Refused(Box<ClientInitializeError>),
}

async fn within<T>(work: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
    let most = limits::MCP_CONNECT_TIMEOUT_MS;
    tokio::time::timeout(Duration::from_millis(most), work).await.unwrap_or_else(|_| {
        Err(StepError::transient("mcp_unavailable", format!("the server did not list its tools within {most} ms")))
    })
}

fn program_call(program: &ServerProgram) -> ProgramCall {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
    let secrets = program.secrets.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    ProgramCall {
        command: program.command.clone(),
        arguments: program.arguments.clone(),
        environment: inherited.chain(program.environment.iter().cloned()).chain(secrets).collect(),
        folder: program.folder.clone(),
    }
}
