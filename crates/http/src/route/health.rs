//! `/health`: the process runs. `/ready`: it can do its work, so send it some.
//!
//! An orchestrator restarts what is not healthy, and only keeps traffic away from what is not ready: nothing
//! outside the process may make `/health` fail.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Json, Router, extract, routing::get};
use serde_json::{Map, Value, json};

use crate::{Problem, ProblemCode, State};

/// How long all checks together may take.
const READY_TIMEOUT: Duration = Duration::from_millis(1_400);

/// How one of the things stands that the process needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `database`, `engine`.
    pub name: &'static str,
    /// Why it cannot be used, for clients; `None` when all is well.
    pub problem: Option<String>,
}

/// Looks at what the process needs to do its work.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Looks at everything now. It may be dropped half-way.
    async fn check(&self) -> Vec<Check>;

    /// Whether the database answers. It may be dropped half-way.
    async fn is_database_there(&self) -> bool {
        true
    }
}

/// The routes of this file.
pub(crate) fn routes() -> Router<State> {
    Router::new().route("/health", get(health)).route("/ready", get(ready))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn ready(extract::State(state): extract::State<State>) -> Result<Json<Value>, Problem> {
    let readiness = Arc::clone(&state.readiness);
    let Ok(checks) = tokio::time::timeout(READY_TIMEOUT, readiness.check()).await else {
        return Err(Problem::new(ProblemCode::NotReady).with_detail("the checks took too long"));
    };
    let all_well = checks.iter().all(|check| check.problem.is_none());
    let checks = Value::Object(checks.into_iter().map(described).collect::<Map<_, _>>());
    if all_well {
        return Ok(Json(json!({ "status": "ready", "checks": checks })));
    }
    Err(Problem::new(ProblemCode::NotReady).with("checks", checks))
}

fn described(check: Check) -> (String, Value) {
    (check.name.to_owned(), check.problem.map_or_else(|| json!("ok"), Value::String))
}
