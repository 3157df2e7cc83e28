//! What the API can be asked for, as `docs/openapi.json` has it: a test compares each.

use reqwest::Method as Verb;

/// How something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes, or asks for something to be done.
    Post,
    /// Sets, as a whole.
    Put,
    /// Changes parts.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    pub(crate) fn verb(self) -> Verb {
        match self {
            Self::Get => Verb::GET,
            Self::Post => Verb::POST,
            Self::Put => Verb::PUT,
            Self::Patch => Verb::PATCH,
            Self::Delete => Verb::DELETE,
        }
    }
}

/// Whether it is safe to ask again when it is not known whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Twice is once.
    Always,
    /// With the same `Idempotency-Key`.
    ByKey,
    /// It would be done twice.
    Never,
}

/// One thing that the API can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its id in the document, in upper case.
    pub id: &'static str,
    /// How it is asked for.
    pub method: Method,
    /// Where; `{id}` stands for what it is about.
    pub path: &'static str,
    /// Whether it may be asked for again.
    pub repeat: Repeat,
}

macro_rules! operations {
    ($($id:ident: $method:ident $path:literal, $repeat:ident;)+) => {
        $(
            pub(crate) const $id: Operation = Operation {
                id: stringify!($id), method: Method::$method, path: $path, repeat: Repeat::$repeat,
            };
        )+

        impl Operation {
            /// All that this client asks for.
            pub const ALL: &[Operation] = &[$($id),+];
        }
    };
}

operations! {
    ME: Get "/api/v1/me", Always;
    PUBLISH_WORKFLOWS: Post "/api/v1/workflows", ByKey;
    LIST_WORKFLOWS: Get "/api/v1/workflows", Always;
    SHOW_WORKFLOW: Get "/api/v1/workflows/{id}", Always;
    LIST_WORKFLOW_STEPS: Get "/api/v1/workflows/{id}/steps", Always;
    LIST_WORKFLOW_VERSIONS: Get "/api/v1/workflows/{id}/versions", Always;
    DELETE_WORKFLOW: Delete "/api/v1/workflows/{id}", Never;
    RESTORE_WORKFLOW: Post "/api/v1/workflows/{id}/restore", Never;
    LIST_AGENTS: Get "/api/v1/agents", Always;
    SHOW_AGENT: Get "/api/v1/agents/{id}", Always;
    LIST_AGENT_VERSIONS: Get "/api/v1/agents/{id}/versions", Always;
    DELETE_AGENT: Delete "/api/v1/agents/{id}", Never;
    RESTORE_AGENT: Post "/api/v1/agents/{id}/restore", Never;
    START_EXECUTION: Post "/api/v1/executions", ByKey;
    START_EXECUTIONS: Post "/api/v1/executions/bulk", ByKey;
    LIST_EXECUTIONS: Get "/api/v1/executions", Always;
    SHOW_EXECUTION: Get "/api/v1/executions/{id}", Always;
    LIST_EXECUTION_STEPS: Get "/api/v1/executions/{id}/steps", Always;
    LIST_EXECUTION_PARTS: Get "/api/v1/executions/{id}/parts", Always;
    LIST_EXECUTION_LOGS: Get "/api/v1/executions/{id}/logs", Always;
    FOLLOW_EXECUTION: Get "/api/v1/executions/{id}/events", Always;
    CANCEL_EXECUTION: Post "/api/v1/executions/{id}/cancel", Always;
    PAUSE_EXECUTION: Post "/api/v1/executions/{id}/pause", Always;
    RESUME_EXECUTION: Post "/api/v1/executions/{id}/resume", Always;
    SEND_EVENT: Post "/api/v1/events", ByKey;
    LIST_APPROVALS: Get "/api/v1/approvals", Always;
    DECIDE_APPROVAL: Post "/api/v1/approvals/{id}/decide", Never;
    LIST_SCHEDULES: Get "/api/v1/schedules", Always;
    LIST_SCHEDULE_TICKS: Get "/api/v1/schedules/{id}/ticks", Always;
    LIST_TEMPLATES: Get "/api/v1/templates", Always;
    SHOW_TEMPLATE: Get "/api/v1/templates/{id}", Always;
    USE_TEMPLATE: Post "/api/v1/templates/{id}/instantiate", Never;
    LIST_USERS: Get "/api/v1/users", Always;
    CREATE_USER: Post "/api/v1/users", Never;
    LIST_KEYS: Get "/api/v1/api-keys", Always;
    SHOW_KEY: Get "/api/v1/api-keys/{id}", Always;
    CREATE_KEY: Post "/api/v1/api-keys", Never;
    REVOKE_KEY: Delete "/api/v1/api-keys/{id}", Never;
    LIST_SECRETS: Get "/api/v1/secrets", Always;
    SET_SECRET: Post "/api/v1/secrets", Always;
    DELETE_SECRET: Delete "/api/v1/secrets/{id}", Never;
    SET_BUDGET: Put "/api/v1/budgets", Always;
    LIST_BUDGETS: Get "/api/v1/budgets", Always;
    SHOW_BUDGET: Get "/api/v1/budgets/{id}", Always;
    DELETE_BUDGET: Delete "/api/v1/budgets/{id}", Never;
    SUM_USAGE: Get "/api/v1/usage", Always;
    SHOW_EXECUTION_USAGE: Get "/api/v1/executions/{id}/usage", Always;
    LIST_DEPLOYMENTS: Get "/api/v1/deployments", Always;
    CREATE_DEPLOYMENT: Post "/api/v1/deployments", ByKey;
    SHOW_DEPLOYMENT: Get "/api/v1/deployments/{id}", Always;
    CHANGE_DEPLOYMENT: Patch "/api/v1/deployments/{id}", Never;
    DELETE_DEPLOYMENT: Delete "/api/v1/deployments/{id}", Never;
    RESTORE_DEPLOYMENT: Post "/api/v1/deployments/{id}/restore", Never;
    ACTIVATE_DEPLOYMENT: Post "/api/v1/deployments/{id}/activate", Never;
    STOP_DEPLOYMENT: Post "/api/v1/deployments/{id}/stop", Never;
    MAINTAIN_DEPLOYMENT: Post "/api/v1/deployments/{id}/maintain", Never;
    ROLL_DEPLOYMENT_BACK: Post "/api/v1/deployments/{id}/rollback", Never;
    ISSUE_DEPLOYMENT_KEY: Post "/api/v1/deployments/{id}/key", Never;
    REVOKE_DEPLOYMENT_KEY: Delete "/api/v1/deployments/{id}/key", Never;
    LIST_DEPLOYMENT_REVISIONS: Get "/api/v1/deployments/{id}/revisions", Always;
    SHOW_DEPLOYMENT_HEALTH: Get "/api/v1/deployments/{id}/health", Always;
    START_BY_DEPLOYMENT: Post "/api/v1/deployments/{id}/executions", ByKey;
}
