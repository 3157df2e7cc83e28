//! Publishing documents: what `/workflows` and `/agents` do with a POST.

use axum::{Json, http::StatusCode};
use serde::Serialize;
use serde_json::Value;
use turbocat_application::SourceFile;
use utoipa::ToSchema;

use crate::{
    Problem, ProblemCode, State,
    auth::Who,
    detached::detached,
    extract::{IdempotencyKey, Raw, unsupported},
};

/// What publishing did. Its form is that of the use case's report.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublishReportView {
    /// The documents: agents first, then workflows, each in the order of their names.
    published: Vec<PublishedView>,
    /// What in the documents is understood, but not acted on by this version.
    warnings: Vec<Value>,
}

/// A document that is published now.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublishedView {
    /// `agent` or `workflow`.
    kind: String,
    /// What it is called.
    name: String,
    /// The active version's id.
    id: String,
    /// The active version.
    version: u32,
    /// `created`, `updated` or `unchanged`.
    change: String,
}

/// Publishes the documents of a body: one of JSON, or any number of YAML.
pub(crate) async fn publish(
    (state, who): (State, Who),
    key: IdempotencyKey,
    raw: Raw,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let name = match raw.media_type.as_str() {
        "application/json" => "body.json",
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => "body.yaml",
        other => return Err(unsupported(other, "application/json or application/yaml")),
    };
    let once = key.of("publish", &raw.bytes)?;
    let text = String::from_utf8(raw.bytes.to_vec()).map_err(|error| {
        Problem::new(ProblemCode::InvalidJson).with_detail(format!("the body is not UTF-8: {error}"))
    })?;
    let files = [SourceFile { name: name.to_owned(), text }];
    let report = detached(async move {
        let use_cases = state.use_cases.on_behalf_of(&who.origin);
        match once {
            Some(once) => use_cases.publish_once(who.actor(), &files, &once).await,
            None => Ok(use_cases.publish(who.actor(), &files).await?.to_value()),
        }
    });
    Ok((StatusCode::CREATED, Json(report.await?)))
}
