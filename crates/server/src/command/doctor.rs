//! `turbocat doctor`: looks at everything that Turbocat needs, and says what to do about what is missing.

use std::{net::TcpListener, path::Path, process::ExitCode};

use serde::Serialize;
use turbocat_migration::MigrationError;
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_postgres::Installation;

use crate::{
    args::GlobalArgs,
    config,
    database::{self, OpenDatabase},
    report,
};

/// Where `up` listens unless told otherwise.
const ADDRESS: &str = "127.0.0.1:8484";

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It is as it should be.
    Ok,
    /// It works, and could be better.
    Warning,
    /// Turbocat does not work like this.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn broken(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, ..Self::warning(what, found, advice) }
    }
}

/// Looks at everything and prints it; the exit code says whether something is broken.
///
/// # Errors
///
/// If there are no threads to be had.
pub(super) fn run(global: &GlobalArgs) -> anyhow::Result<ExitCode> {
    let mut findings = vec![Finding::ok("turbocat", format!("version {}", env!("CARGO_PKG_VERSION")))];
    let installed = installation(global);
    let usable = installed.iter().all(|finding| finding.verdict != Verdict::Broken);
    findings.extend(installed);
    if usable {
        findings.extend(database_of(global)?);
    }
    findings.extend(sandbox());
    findings.push(language_model());
    findings.push(address());
    for finding in &findings {
        print(finding, global.json);
    }
    let broken = findings.iter().any(|finding| finding.verdict == Verdict::Broken);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding, json: bool) {
    if json {
        report::json_line(finding);
        return;
    }
    let mark = match finding.verdict {
        Verdict::Ok => "✓",
        Verdict::Warning => "!",
        Verdict::Broken => "✗",
    };
    report::line(format!("{mark} {:<16} {}", finding.what, finding.found));
    if let Some(advice) = &finding.advice {
        report::line(format!("  {:<16} → {advice}", ""));
    }
}

/// The binaries and the data folder, which only count when no database is named.
fn installation(global: &GlobalArgs) -> Vec<Finding> {
    if global.database_url().is_some() {
        return vec![Finding::ok("postgresql", "a database is named, none of Turbocat's own is needed")];
    }
    let installation = match Installation::find() {
        Ok(installation) => installation,
        Err(missing) => {
            let advice = "run the same command with --install-postgres, or name a database with --database-url";
            return vec![Finding::broken("postgresql", missing.to_string(), advice)];
        }
    };
    let found = format!("version {} in {}", installation.major(), installation.bin().display());
    let mut findings = vec![if installation.major() < 15 {
        Finding::warning("postgresql", found, "version 15 or later is what Turbocat is tested with")
    } else {
        Finding::ok("postgresql", found)
    }];
    findings.push(match database::cluster_options(global, installation) {
        Ok(options) => Finding::ok("data folder", options.root.display().to_string()),
        Err(error) => Finding::broken("data folder", format!("{error:#}"), "name one with --data-dir"),
    });
    findings
}

/// The database, if there is one: a look makes none.
fn database_of(global: &GlobalArgs) -> anyhow::Result<Vec<Finding>> {
    if OpenDatabase::is_missing(global)? {
        return Ok(vec![Finding::ok("database", "none yet: `run` and `up` make it")]);
    }
    match OpenDatabase::open(global) {
        Ok(opened) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(database(&opened)))
        }
        Err(error) => {
            let advice = "look into the log in the data folder, or name another database with --database-url";
            Ok(vec![Finding::broken("database", format!("{error:#}"), advice)])
        }
    }
}

async fn database(opened: &OpenDatabase) -> Vec<Finding> {
    let store = match PgStore::connect(&ConnectOptions::new(&opened.url)).await {
        Ok(store) => store,
        Err(error) => {
            let found = format!("{:#}", anyhow::Error::from(error));
            return vec![Finding::broken("database", found, "check the address, the password and the server")];
        }
    };
    let mut findings = match store.settings().await {
        Ok(settings) => settings_findings(&settings, opened),
        Err(error) => vec![Finding::broken("database", error.to_string(), "look into the server's log")],
    };
    store.close().await;
    findings.push(migrations(&opened.url).await);
    findings
}

fn settings_findings(settings: &turbocat_persistence::Settings, opened: &OpenDatabase) -> Vec<Finding> {
    let whose = if opened.cluster.is_some() { "Turbocat's own" } else { "the one that is named" };
    let database = Finding::ok("database", format!("PostgreSQL {}, {whose}", settings.server_version));
    let on = |is_on| if is_on { "on" } else { "off" };
    let found = format!(
        "fsync {}, synchronous_commit {}, full_page_writes {}",
        on(settings.fsync),
        settings.synchronous_commit,
        on(settings.full_page_writes)
    );
    let wanted = database::unsafe_settings(settings);
    let durability = if wanted.is_empty() {
        Finding::ok("durability", found)
    } else {
        let advice = format!("set {}: this database can lose what it has acknowledged", wanted.join(", "));
        Finding::broken("durability", found, advice)
    };
    vec![database, durability]
}

async fn migrations(url: &str) -> Finding {
    match turbocat_migration::ensure_current(url).await {
        Ok(()) => Finding::ok("schema", "up to date"),
        Err(MigrationError::Behind { pending }) => Finding::warning(
            "schema",
            format!("behind by {}", pending.join(", ")),
            "run `turbocat migrate up`; `run` and `up` do it by themselves",
        ),
        Err(error @ MigrationError::Ahead { .. }) => {
            Finding::broken("schema", error.to_string(), "use the version of Turbocat that migrated it, or a later one")
        }
        Err(error) => {
            Finding::broken("schema", format!("{:#}", anyhow::Error::from(error)), "look into the server's log")
        }
    }
}

/// The layers that confine code, measured in a child process.
fn sandbox() -> Vec<Finding> {
    let report = std::env::current_exe().and_then(|program| turbocat_agents::sandbox_report(Path::new(&program)));
    let layers = match report {
        Ok(layers) => layers,
        Err(error) => {
            let advice = "code and data agents cannot run; look for a limit on processes";
            return vec![Finding::broken("sandbox", format!("no child process: {error}"), advice)];
        }
    };
    let (active, missing): (Vec<_>, Vec<_>) = layers.into_iter().partition(|layer| layer.active);
    let names: Vec<_> = active.iter().map(|layer| layer.name.as_str()).collect();
    let mut findings = vec![if names.is_empty() {
        Finding::broken("sandbox", "no layer holds", "do not run code agents here")
    } else {
        Finding::ok("sandbox", names.join(", "))
    }];
    findings.extend(missing.into_iter().map(|layer| {
        Finding::warning("sandbox", format!("without {}: {}", layer.name, layer.detail), "the other layers hold")
    }));
    findings
}

fn language_model() -> Finding {
    match config::agents() {
        Err(error) => Finding::broken("egress", format!("{error:#}"), "correct TURBOCAT_EGRESS_ALLOW"),
        Ok(config) => match (config.llm.base_url, config.llm.api_key) {
            (None, None) => Finding::warning(
                "language model",
                "none: agents that name no provider are answered offline",
                "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server with that API",
            ),
            (Some(address), _) => Finding::ok("language model", address),
            (None, Some(_)) => Finding::ok("language model", "OpenAI"),
        },
    }
}

fn address() -> Finding {
    match TcpListener::bind(ADDRESS) {
        Ok(_free) => Finding::ok("http", format!("{ADDRESS} is free for `turbocat up`")),
        Err(error) => Finding::warning(
            "http",
            format!("{ADDRESS}: {error}"),
            "is `turbocat up` running already? Otherwise choose another address with --listen",
        ),
    }
}
