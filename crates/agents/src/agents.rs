//! Runs agents of every type: the adapter of the domain's port.

use std::{borrow::Cow, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde_json::Value;
use turbocat_domain::{
    agent::AgentType,
    agent_form::{check_input, check_output},
    limits,
    port::{AgentCall, AgentRunner, LogSink, SecretVault, TabularSql},
    problem::Problems,
    step_run::StepError,
    usage::PriceTableError,
};

use crate::{
    api,
    child::Task,
    code,
    config::{essence, validate_config},
    data,
    egress::{EgressClient, EgressPolicy},
    host::{Budget, ChildHost, HostOptions, Job},
    llm::{self, LlmConfig, Models, Schemas, Surroundings},
    mcp::{Mcp, McpServer, McpServers},
    redaction::Redactor,
    secret::{self, NamedSecret, Secret, Secrets},
};

/// What the agents need of their surroundings.
#[derive(Debug, Clone)]
pub struct AgentsConfig {
    /// The program that is run again as `<program> __agent <label>` for each code or data agent, and whose `main`
    /// calls [`child_main`](crate::child_main) then: the server's own binary.
    pub child_program: PathBuf,
    /// How many child processes may run at once; the others wait.
    pub children_max: usize,
    /// The layers of the confinement without which no program is run, by the names that
    /// [`sandbox_report`](crate::sandbox_report) gives.
    pub sandbox_floor: Vec<String>,
    /// The interpreter of Python; without, one is looked for where it usually is.
    pub python: Option<PathBuf>,
    /// Where requests may go.
    pub egress: EgressPolicy,
    /// The language models that the operator provides.
    pub llm: LlmConfig,
    /// The servers of tools that the operator declares.
    pub mcp: McpServers,
    /// Checks the inputs of tools and the answers of models.
    pub schemas: Schemas,
    /// The secrets that the operator provides, by the names that configurations use.
    pub secrets: Secrets,
}

/// Why the agents cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    /// The thread that starts child processes cannot be started.
    #[error("child processes cannot be started")]
    Children(#[source] std::io::Error),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
    /// The address of the language models is none.
    #[error("`{0}` is not the address of a language model's API")]
    LlmBaseUrl(String),
    /// The prices that are known here cannot be read: a bug.
    #[error("the prices of the models cannot be read")]
    Prices(#[source] PriceTableError),
}

/// Runs agents: code and data in child processes, api and llm through the one way out.
#[derive(Debug)]
pub struct Agents {
    children: ChildHost,
    python: code::Python,
    egress: EgressClient,
    models: Models,
    mcp: Mcp,
    schemas: Schemas,
    secrets: Secrets,
    /// The secrets of users.
    vault: Option<Arc<dyn SecretVault>>,
    /// The keys of the operator's models and MCP servers, which are kept out of everything like secrets.
    keys: Vec<Secret>,
    /// What runs queries.
    tables: Option<Arc<dyn TabularSql>>,
    /// Of calls for which no secret is opened.
    redactor: Arc<Redactor>,
}

/// What was opened for one call.
#[derive(Clone, Copy)]
struct Opened<'a> {
    secrets: &'a Secrets,
    redactor: &'a Redactor,
}

impl Agents {
    /// Sets up what the agents share.
    ///
    /// # Errors
    ///
    /// [`AgentsError`] if the HTTP client or the launcher of child processes cannot be set up.
    pub fn new(config: AgentsConfig) -> Result<Self, AgentsError> {
        let keys: Vec<Secret> = config.llm.keys().chain(McpServer::all_secrets(&config.mcp)).cloned().collect();
        let redactor = Arc::new(Redactor::of(config.secrets.values().map(|secret| &secret.value).chain(&keys)));
        let mcp = Mcp::new(config.mcp, &config.egress)?;
        let models = Models::new(config.llm, &config.egress)?;
        let host = HostOptions {
            program: config.child_program,
            children_max: config.children_max,
            floor: config.sandbox_floor,
        };
        Ok(Self {
            children: ChildHost::new(host).map_err(AgentsError::Children)?,
            python: code::Python::new(config.python),
            egress: EgressClient::new(config.egress).map_err(AgentsError::Http)?,
            models,
            mcp,
            schemas: config.schemas,
            secrets: config.secrets,
            vault: None,
            keys,
            tables: None,
            redactor,
        })
    }

    /// With the secrets of users besides those of the operator.
    #[must_use]
    pub fn with_vault(self, vault: Arc<dyn SecretVault>) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// With a database that runs the queries of data agents.
    #[must_use]
    pub fn with_tables(self, tables: Arc<dyn TabularSql>) -> Self {
        Self { tables: Some(tables), ..self }
    }

    /// Checks the configuration of an agent that is to be published: its form, and that its program can be parsed,
    /// which is done in a child process.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub async fn check(&self, kind: AgentType, config: &Value) -> Result<(), Problems> {
        let Err(mut problems) = validate_config(kind, config) else { return self.check_essence(kind, config).await };
        if let Some(essence) = essence(kind, config)
            && let Err(others) = self.check_essence(kind, &essence).await
        {
            problems.extend(others);
        }
        Err(problems)
    }

    /// Checks what the form of a configuration does not show.
    async fn check_essence(&self, kind: AgentType, config: &Value) -> Result<(), Problems> {
        match kind {
            AgentType::Code => code::check(config, self.interpreters()).await,
            AgentType::Data => data::check(config, self.machines()).await,
            AgentType::Llm => llm::check(config, &self.schemas),
            AgentType::Api => api::check(config, self.schemas.validator()),
            AgentType::Workflow => Ok(()),
        }
    }

    /// The version of Python that code agents get, and where it is.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn python(&self) -> Result<String, StepError> {
        let found = self.python.interpreter(&self.children).await?;
        Ok(format!("version {} at {}", found.version, found.program.display()))
    }

    /// The MCP servers that the operator declares, each with how many tools it has, or why it cannot be asked.
    pub async fn servers_of_tools(&self) -> Vec<(String, Result<usize, StepError>)> {
        let mut asked = Vec::new();
        for name in self.mcp.names() {
            let tools = match self.mcp.named(name, &self.children) {
                Ok(session) => session.tools().await.map(|tools| tools.len()),
                Err(error) => Err(error),
            };
            asked.push((name.to_owned(), tools));
        }
        asked
    }

    const fn interpreters(&self) -> code::Interpreters<'_> {
        code::Interpreters { children: &self.children, python: &self.python }
    }

    fn machines(&self) -> data::Machines<'_> {
        data::Machines { children: &self.children, tables: self.tables.as_deref() }
    }

    /// The secrets that a call names and that the owner of its execution has, opened for it.
    async fn open_secrets(&self, call: &AgentCall) -> Result<Secrets, StepError> {
        let names = secret::names(call)?;
        let Some(vault) = self.vault.as_ref().filter(|_| !names.is_empty()) else { return Ok(Secrets::new()) };
        let names: Vec<String> = names.into_iter().collect();
        let opened = vault.reveal(call.user_id, &names).await?.into_iter();
        Ok(opened.map(|one| (one.name, NamedSecret { value: Secret::new(one.value), hosts: one.hosts })).collect())
    }

    async fn dispatch(&self, call: &AgentCall, with: Opened<'_>, log: &Arc<dyn LogSink>) -> Result<Value, StepError> {
        match call.agent.kind {
            AgentType::Code => code::run(call, with.secrets, self.interpreters(), &**log).await,
            AgentType::Data => data::run(call, self.machines(), &**log).await,
            AgentType::Api => {
                let schemas = self.schemas.validator();
                api::run(call, api::Means { egress: &self.egress, secrets: with.secrets, schemas }).await
            }
            AgentType::Llm => {
                let around = Surroundings {
                    models: &self.models,
                    egress: &self.egress,
                    mcp: &self.mcp,
                    children: &self.children,
                    secrets: with.secrets,
                    schemas: self.schemas.validator(),
                    redactor: with.redactor,
                    runner: self,
                    log,
                };
                let conversation: BoxFuture<'_, Result<Value, StepError>> = Box::pin(llm::run(call, around));
                conversation.await
            }
            AgentType::Workflow => Err(StepError::permanent(
                "unsupported_agent",
                "an agent of type `workflow` is run by the engine, as an execution of its own",
            )),
        }
    }
}

#[async_trait]
impl AgentRunner for Agents {
    async fn run(&self, mut call: AgentCall, log: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let own = self.open_secrets(&call).await?;
        call.inputs = call.agent.inputs_over_parameters(call.inputs);
        check_input(&call.agent, &call.inputs, self.schemas.validator())?;
        let redactor = if own.is_empty() {
            Arc::clone(&self.redactor)
        } else {
            let named = self.secrets.values().chain(own.values()).map(|secret| &secret.value);
            Arc::new(Redactor::of(named.chain(&self.keys)))
        };
        let log = redactor.log(log);
        // A code agent is given nothing of the operator's: it could hand it to anybody.
        let secrets = match (call.agent.kind, own.is_empty()) {
            (AgentType::Code, _) => Cow::Owned(own),
            (_, true) => Cow::Borrowed(&self.secrets),
            // The user's own stands before the operator's of the same name.
            (_, false) => Cow::Owned(self.secrets.clone().into_iter().chain(own).collect()),
        };
        let with = Opened { secrets: &secrets, redactor: &redactor };
        let answer = self.dispatch(&call, with, &log).await.and_then(|answer| {
            check_output(&call.agent, &answer, self.schemas.validator())?;
            Ok(answer)
        });
        redactor.outcome(answer)
    }
}

/// The time of one attempt: the smaller of the step's and the agent's.
pub(crate) fn timeout_ms(call: &AgentCall) -> u64 {
    let own = call.agent.max_execution_time.map_or(u64::MAX, |seconds| u64::from(seconds).saturating_mul(1_000));
    call.timeout_ms.min(own)
}

/// The job of a child process that runs one attempt.
pub(crate) fn job(call: &AgentCall, task: Task) -> Job {
    let memory_mb = call.agent.max_memory_mb.unwrap_or(limits::AGENT_MEMORY_MB_DEFAULT);
    Job {
        label: format!("{}/{}#{}", call.execution_id, call.path, call.attempt),
        task,
        budget: Budget { timeout_ms: timeout_ms(call), memory_mb },
    }
}

/// A configuration that was changed behind the back of the check at publishing.
pub(crate) fn invalid_config(problems: &Problems) -> StepError {
    StepError::permanent("invalid_config", format!("the agent's configuration is wrong: {problems}"))
}
