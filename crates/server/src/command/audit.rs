//! `turbocat audit`: whether the audit log is what it was.

use std::process::ExitCode;

use serde_json::json;
use turbocat_persistence::{AuditHead, AuditReport};

use crate::{
    args::{AuditCommand, GlobalArgs},
    report,
    wire::App,
};

/// Looks at the audit log.
///
/// # Errors
///
/// If it cannot be read. What is wrong with it is no error: it is printed, and the exit code says so.
pub(super) async fn run(url: &str, global: &GlobalArgs, command: AuditCommand) -> anyhow::Result<ExitCode> {
    let AuditCommand::Verify { head } = command;
    let app = App::connect(url, global).await?;
    let found = verify(&app, head).await;
    app.store.close().await;
    let found = found?;
    if global.json {
        print_json(&found);
    } else {
        print(&found);
    }
    Ok(if found.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify(app: &App, head: Option<AuditHead>) -> anyhow::Result<AuditReport> {
    Ok(app.store.verify_audit_log(head).await?)
}

fn print_json(found: &AuditReport) {
    let breaches: Vec<String> = found.breaches.iter().map(ToString::to_string).collect();
    report::json_line(&json!({ "entries": found.links, "head": found.head.to_string(), "breaches": breaches }));
}

fn print(found: &AuditReport) {
    for breach in &found.breaches {
        report::line(breach.to_string());
    }
    if found.breaches.is_empty() {
        report::line(found.head.to_string());
        report::note(format!("{} entries, each as it was written; keep the head above somewhere else", found.links));
    } else {
        report::note(format!("{} entries, {} breaches", found.links, found.breaches.len()));
    }
}
