//! A body for each route, for the tests that walk over all of them.

use serde_json::{Value, json};
use turbocat_http::Route;

use crate::world::PASSWORD;

/// A body that the route takes.
pub(crate) fn body(route: &Route) -> Option<Value> {
    match (route.method, route.path.as_str()) {
        ("POST", "/api/v1/workflows") => {
            Some(json!({ "name": "new", "steps": [{ "key": "a", "type": "wait", "config": { "duration_ms": 1 } }] }))
        }
        ("POST", "/api/v1/agents") => Some(json!({ "kind": "agent", "name": "new", "type": "data", "config": {} })),
        ("POST", "/api/v1/executions") => Some(json!({ "workflow": "hello" })),
        ("POST", "/api/v1/executions/bulk") => Some(json!({ "items": [{ "workflow": "hello" }] })),
        ("POST", "/api/v1/api-keys") => Some(json!({ "name": "new", "scopes": ["executions:read"] })),
        ("POST", "/api/v1/secrets") => Some(json!({ "name": "NEW", "value": "the-new-value" })),
        ("PUT", "/api/v1/budgets") => {
            Some(json!({ "scope": "agent", "subject": "new", "unit": "tokens", "period": "day", "amount": 5 }))
        }
        ("POST", "/api/v1/users") => Some(json!({ "email": "new@example.com" })),
        ("POST", "/api/v1/sessions") => Some(json!({ "email": "owner@example.com", "password": "wrong" })),
        ("POST", "/api/v1/templates") => Some(json!({
            "name": "new", "category": "Tests", "type": "step",
            "template_data": { "key": "a", "type": "wait", "config": { "duration_ms": 1 } },
        })),
        ("POST", "/api/v1/deployments") => {
            Some(json!({ "name": "new", "workflow": "hello", "environment_vars": { "REGION": "eu" } }))
        }
        ("PATCH", "/api/v1/deployments/{id}" | "/api/v1/templates/{id}") => Some(json!({ "description": "Changed" })),
        ("PUT", "/api/v1/templates/{id}/rating") => Some(json!({ "stars": 5 })),
        ("POST", "/api/v1/password-resets") => Some(json!({ "email": "owner@example.com" })),
        ("POST", "/api/v1/password-resets/confirm") => {
            Some(json!({ "token": "tc_reset_nonsense", "password": "another correct horse" }))
        }
        ("POST", "/api/v1/email-verifications/confirm") => Some(json!({ "token": "tc_verify_nonsense" })),
        ("POST", "/api/v1/me/password") => Some(json!({ "current": PASSWORD, "new": "another correct horse" })),
        ("PATCH", "/api/v1/users/{id}") => Some(json!({ "full_name": "Changed" })),
        (
            "POST",
            "/api/v1/deployments/{id}/rollback"
            | "/api/v1/deployments/{id}/executions"
            | "/api/v1/me/email-verification"
            | "/api/v1/endpoints/{id}"
            | "/api/v1/hooks/{id}"
            | "/api/v1/templates/{id}/instantiate",
        ) => Some(json!({})),
        ("POST", "/api/v1/events") => Some(json!({ "name": "paid" })),
        ("POST", "/api/v1/approvals/{id}/decide") => Some(json!({ "path": "ask", "approved": true })),
        ("POST", path) => {
            let ends = ["/restore", "/cancel", "/pause", "/resume", "/activate", "/stop", "/maintain", "/key"];
            assert!(ends.iter().any(|end| path.ends_with(end)), "{path}: the matrix has no body for it");
            None
        }
        _ => None,
    }
}
