//! `turbocat seed`: the first account and the official templates.

use std::process::ExitCode;

use serde_json::json;
use turbocat_application::{ADMIN_EMAIL, Argon2Hasher};

use crate::{
    args::{GlobalArgs, SeedArgs},
    report,
    wire::App,
};

/// Seeds, and says what is new.
///
/// # Errors
///
/// If the database cannot be reached, or the password cannot be hashed.
pub(super) async fn run(url: &str, global: &GlobalArgs, args: &SeedArgs) -> anyhow::Result<ExitCode> {
    let app = App::prepare(url, global).await?;
    let password = args.admin_password.as_deref().filter(|password| !password.is_empty());
    let seeded = app.use_cases.seed(password, &Argon2Hasher).await?;
    app.store.close().await;
    if global.json {
        report::json_line(&json!({
            "admin": { "email": ADMIN_EMAIL, "id": seeded.admin.id.to_string(), "created": seeded.admin_created,
                       "password_set": seeded.password_set },
            "templates": { "created": seeded.templates_created, "updated": seeded.templates_updated },
        }));
        return Ok(ExitCode::SUCCESS);
    }
    report::line(format!("account   {ADMIN_EMAIL}: {}", if seeded.admin_created { "created" } else { "unchanged" }));
    if seeded.password_set {
        report::line(format!("account   {ADMIN_EMAIL}: password set"));
    }
    for (names, change) in [(&seeded.templates_created, "created"), (&seeded.templates_updated, "updated")] {
        for name in names {
            report::line(format!("template  {name}: {change}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
