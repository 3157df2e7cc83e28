//! `/agent-types`: what agents there can be, and the form of their configs.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use turbocat_application::agent_types;
use turbocat_domain::permission::Permission;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{Needs, Problem, api::Api, problem::ProblemCode, words::AgentTypeWord};

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Permission(Permission::AgentsRead), routes!(list_agent_types))
}

/// All types of agents.
#[derive(Serialize, ToSchema)]
struct AgentTypesView {
    items: Vec<AgentTypeView>,
}

/// A type of agents.
#[derive(Serialize, ToSchema)]
struct AgentTypeView {
    /// The type.
    #[serde(rename = "type")]
    kind: AgentTypeWord,
    /// What it does.
    description: &'static str,
    /// The JSON Schema of the config of such an agent.
    config_schema: Value,
}

/// The types of agents, each with the JSON Schema of its config.
#[utoipa::path(
    get, path = "/api/v1/agent-types", tag = "agents", operation_id = "list_agent_types",
    responses((status = 200, description = "All types", body = AgentTypesView))
)]
async fn list_agent_types() -> Result<Json<AgentTypesView>, Problem> {
    let items = agent_types().iter().map(|one| {
        let config_schema = serde_json::from_str(one.config_schema).map_err(|_| Problem::new(ProblemCode::Internal))?;
        Ok(AgentTypeView { kind: AgentTypeWord(one.kind), description: one.description, config_schema })
    });
    Ok(Json(AgentTypesView { items: items.collect::<Result<_, Problem>>()? }))
}
