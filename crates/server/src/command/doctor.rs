//! `turbocat doctor`: looks at everything that Turbocat needs, and says what to do about what is missing.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use serde::Serialize;
use turbocat_agents::Agents;
use turbocat_domain::step_run::StepError;
use turbocat_migration::MigrationError;
use turbocat_persistence::{ConnectOptions, PgStore, Settings};
use turbocat_postgres::Installation;

use crate::{
    adapter::{KeyRing, KeySource},
    advice,
    args::{DEFAULT_LISTEN, GlobalArgs},
    config,
    database::{self, OpenDatabase},
    report,
};

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

    /// Something that failed, with the advice that its error has, or else this.
    fn failed(what: &'static str, error: &anyhow::Error, otherwise: &str) -> Self {
        Self::broken(what, report::message(error), advice::on(error).unwrap_or(otherwise))
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
    findings.push(python());
    findings.push(language_model());
    findings.extend(servers_of_tools());
    findings.push(secret_keys(global));
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
            return vec![Finding::failed("postgresql", &missing.into(), "name a database with --database-url")];
        }
    };
    let found = format!("version {} in {}", installation.major(), installation.bin().display());
    let mut findings = vec![if installation.major() < 15 {
        Finding::warning("postgresql", found, "version 15 or later is what Turbocat is tested with")
    } else {
        Finding::ok("postgresql", found)
    }];
    findings.push(match database::cluster_options(global, installation).and_then(|options| writable(&options.root)) {
        Ok(root) => Finding::ok("data folder", root.display().to_string()),
        Err(error) => Finding::failed("data folder", &error, "name a folder that you can write to with --data-dir"),
    });
    findings
}

/// Tries whether a folder is there or could be made, and leaves nothing behind.
fn writable(folder: &Path) -> anyhow::Result<PathBuf> {
    let existing = folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(folder);
    if existing != folder {
        let probe = existing.join(format!(".turbocat-doctor-{}", std::process::id()));
        fs::create_dir(&probe)
            .and_then(|()| fs::remove_dir(&probe))
            .with_context(|| format!("`{}` cannot be written to", existing.display()))?;
    }
    Ok(folder.to_owned())
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
            Ok(vec![Finding::failed("database", &error, advice)])
        }
    }
}

async fn database(opened: &OpenDatabase) -> Vec<Finding> {
    let schema = match turbocat_migration::ensure_current(&opened.url).await {
        Err(error @ (MigrationError::Connect(_) | MigrationError::Address(_))) => {
            return vec![Finding::failed("database", &error.into(), "")];
        }
        Err(error @ MigrationError::Behind { .. }) => {
            Finding { verdict: Verdict::Warning, ..Finding::failed("schema", &error.into(), "") }
        }
        Err(error) => Finding::failed("schema", &error.into(), "look into the server's log"),
        Ok(()) => Finding::ok("schema", "up to date"),
    };
    let is_current = schema.verdict == Verdict::Ok;
    let mut findings = match asked(&opened.url).await {
        Ok((settings, excess)) => {
            let mut findings = settings_findings(&settings, opened);
            findings.extend(is_current.then(|| rights(&excess, opened)));
            findings
        }
        Err(error) => vec![Finding::failed("database", &error, "look into the server's log")],
    };
    findings.push(schema);
    findings
}

/// What the server says about itself, and about the role that asks.
async fn asked(url: &str) -> anyhow::Result<(Settings, Vec<String>)> {
    let store = PgStore::connect(&ConnectOptions::new(url)).await?;
    let (settings, excess) = (store.settings().await, store.excess_rights().await);
    store.close().await;
    Ok((settings?, excess?))
}

/// What the role may do that the server has no need of.
fn rights(excess: &[String], opened: &OpenDatabase) -> Finding {
    const WHAT: &str = "rights";
    match excess {
        [] => Finding::ok(WHAT, "those of a server: it can change neither tables nor the audit log"),
        // Who can start the program on it owns it, and its files.
        _ if opened.cluster.is_some() => Finding::ok(WHAT, "Turbocat's own database, and its owner"),
        excess => Finding::warning(
            WHAT,
            format!("more than a server needs: {}", excess.join("; ")),
            "run the server as a role of its own: `CREATE ROLE turbocat_app LOGIN PASSWORD '…'`, and `turbocat migrate \
             grant turbocat_app` as the owner of the tables; who owns them can rewrite the audit log",
        ),
    }
}

fn settings_findings(settings: &Settings, opened: &OpenDatabase) -> Vec<Finding> {
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
    let queries = if settings.tabular_sql {
        Finding::ok("sql agents", "queries run as the role turbocat_sql, which has no rights")
    } else {
        let advice = "as a superuser of the database run `CREATE ROLE turbocat_sql NOLOGIN; GRANT turbocat_sql TO` the \
                      user of Turbocat, which must own the database, or have it do it itself; then `turbocat migrate up`. \
                      The role must have no rights and be a member of nothing";
        Finding::warning("sql agents", "data agents with `sql` cannot run: the role turbocat_sql is not set up", advice)
    };
    vec![database, durability, queries]
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

/// The interpreter that code agents in Python get.
fn python() -> Finding {
    let found = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from);
    let found = found.and_then(|runtime| {
        let agents = runtime.block_on(async { Agents::new(config::agents()?).map_err(anyhow::Error::from) })?;
        Ok(runtime.block_on(agents.python()))
    });
    match found {
        Ok(Ok(found)) => Finding::ok("python", found),
        Ok(Err(error)) => Finding::warning("python", error.message, "agents in JavaScript and jq need none"),
        Err(error) => Finding::failed("python", &error, "correct it"),
    }
}

/// What agents are given, as far as the operator says it.
fn language_model() -> Finding {
    let llm = config::agents().and_then(|config| {
        let llm = config.llm.clone();
        Agents::new(config)?;
        Ok(llm)
    });
    match llm.map(|llm| (llm.base_url, llm.api_key)) {
        Err(error) => Finding::failed("agents", &error, "correct it"),
        Ok((None, None)) => Finding::warning(
            "language model",
            "none: agents that name no provider are answered offline",
            "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server with that API",
        ),
        Ok((Some(address), _)) => Finding::ok("language model", address),
        Ok((None, Some(_))) => Finding::ok("language model", "OpenAI"),
    }
}

/// The MCP servers that the operator declares: each is asked for its tools, as an agent would.
fn servers_of_tools() -> Vec<Finding> {
    const WHAT: &str = "mcp server";
    let asked = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from);
    let asked = asked.and_then(|runtime| {
        runtime.block_on(async { anyhow::Ok(Agents::new(config::agents()?)?.servers_of_tools().await) })
    });
    let finding = |(name, tools): (String, Result<usize, StepError>)| match tools {
        Ok(1) => Finding::ok(WHAT, format!("{name}: 1 tool")),
        Ok(tools) => Finding::ok(WHAT, format!("{name}: {tools} tools")),
        Err(error) => {
            let variable = format!("correct TURBOCAT_MCP_{}", name.to_ascii_uppercase());
            Finding::warning(WHAT, format!("{name}: {}", error.message), variable)
        }
    };
    // A declaration that is none is told by what was looked at before.
    asked.unwrap_or_default().into_iter().map(finding).collect()
}

/// The keys of the secrets of users, and where they come from.
fn secret_keys(global: &GlobalArgs) -> Finding {
    const WHAT: &str = "secrets";
    let found = config::secret_keys(global).and_then(|source| {
        let place = match &source {
            KeySource::Given(_) => "TURBOCAT_SECRETS_KEY".to_owned(),
            KeySource::File(path) => path.display().to_string(),
        };
        Ok((KeyRing::new(source).count()?, place))
    });
    match found {
        Ok((0, place)) => Finding::ok(WHAT, format!("no key yet: the first secret makes one, in {place}")),
        Ok((1, place)) => Finding::ok(WHAT, format!("one key, from {place}")),
        Ok((count, place)) => Finding::ok(WHAT, format!("{count} keys, from {place}; the first one seals")),
        Err(error) => Finding::failed(WHAT, &error, "correct it: secrets can neither be set nor used"),
    }
}

/// Where `turbocat up` would listen.
fn address() -> Finding {
    let address = config::variable("TURBOCAT_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    match TcpListener::bind(&address) {
        Ok(_free) => Finding::ok("http", format!("{address} is free for `turbocat up`")),
        Err(error) => Finding::warning(
            "http",
            format!("{address}: {error}"),
            "is `turbocat up` running already? Otherwise choose another address with --listen",
        ),
    }
}
