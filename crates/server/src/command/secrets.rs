//! `turbocat secrets`: what agents show to other sides.

use std::{
    fs::File,
    io::{self, Read},
    process::ExitCode,
};

use anyhow::Context;
use serde_json::json;
use turbocat_application::{Actor, NewSecret, SecretInfo};
use turbocat_domain::secret;

use super::{
    access::{origin, owner},
    seed_all,
};
use crate::{
    args::{GlobalArgs, SecretSetArgs, SecretsCommand},
    report,
    wire::App,
};

/// The most secrets that are read at once.
const PAGE: u16 = 200;

/// A command with what it needs besides the database, read before one is opened.
pub(super) struct Prepared {
    command: SecretsCommand,
    value: String,
}

impl Prepared {
    /// Reads the value of a secret that is to be set.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is no text.
    pub(super) fn read(command: SecretsCommand) -> anyhow::Result<Self> {
        let value = match &command {
            SecretsCommand::Set(args) => read_value(args)?,
            SecretsCommand::List { .. } | SecretsCommand::Delete { .. } | SecretsCommand::Rotate => String::new(),
        };
        Ok(Self { command, value })
    }
}

fn read_value(args: &SecretSetArgs) -> anyhow::Result<String> {
    // One byte more than may be, and its line break: what is too long is refused, and not cut.
    let most = u64::try_from(secret::VALUE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(3);
    let mut value = String::new();
    match &args.file {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
            file.take(most).read_to_string(&mut value).with_context(|| format!("{} is no text", path.display()))?;
        }
        None => {
            io::stdin().lock().take(most).read_to_string(&mut value).context("standard input is no text")?;
        }
    }
    let kept = value.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(kept.unwrap_or(&value).to_owned())
}

/// Sets, lists, deletes secrets, or puts them under a new key.
///
/// # Errors
///
/// If it is not valid, is not there, or the database or the keys cannot be reached.
pub(super) async fn run(url: &str, global: &GlobalArgs, prepared: Prepared) -> anyhow::Result<ExitCode> {
    let app = App::prepare(url, global).await?;
    let admin = seed_all(&app).await?;
    let Prepared { command, value } = prepared;
    let done = match command {
        SecretsCommand::Set(args) => set(&app, admin, (args, value), global.json).await,
        SecretsCommand::List { user } => list(&app, admin, user.as_deref(), global.json).await,
        SecretsCommand::Delete { name, user } => delete(&app, admin, (&name, user.as_deref()), global.json).await,
        SecretsCommand::Rotate => rotate(&app, admin, global.json).await,
    };
    app.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn set(app: &App, admin: Actor, (args, value): (SecretSetArgs, String), json: bool) -> anyhow::Result<()> {
    let owner = owner(app, admin, args.user.as_deref()).await?;
    let wanted = NewSecret { name: args.name, value, hosts: args.hosts, owner };
    show(&app.access.set_secret(admin, wanted, &origin()).await?, json);
    Ok(())
}

async fn list(app: &App, admin: Actor, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let owner = owner(app, admin, user).await?;
    let mut after = String::new();
    loop {
        let page = app.access.secrets(admin, owner, (&after, PAGE)).await?;
        for secret in &page {
            show(secret, json);
        }
        match page.last() {
            Some(last) if page.len() == usize::from(PAGE) => last.name.as_str().clone_into(&mut after),
            _ => return Ok(()),
        }
    }
}

async fn delete(app: &App, admin: Actor, (name, user): (&str, Option<&str>), json: bool) -> anyhow::Result<()> {
    let owner = owner(app, admin, user).await?;
    app.access.delete_secret(admin, (owner, name), &origin()).await?;
    if json {
        report::json_line(&json!({ "secret": name, "deleted": true }));
    } else {
        report::line(format!("{name}: deleted"));
    }
    Ok(())
}

async fn rotate(app: &App, admin: Actor, json: bool) -> anyhow::Result<()> {
    let done = app.access.rotate_secrets(admin, &origin()).await?;
    if json {
        report::json_line(&json!({ "key_id": done.key_id, "resealed": done.resealed }));
    } else {
        report::line(format!("{} secrets are now under the key {}", done.resealed, done.key_id));
    }
    Ok(())
}

fn show(secret: &SecretInfo, json: bool) {
    if json {
        return report::json_line(&json!({
            "id": secret.id.to_string(), "user": secret.user_id.to_string(), "name": secret.name,
            "hosts": secret.hosts, "created_at": secret.created_at, "updated_at": secret.updated_at,
        }));
    }
    let hosts = if secret.hosts.is_empty() { "code agents alone".to_owned() } else { secret.hosts.join(" ") };
    report::line(format!("{}  set {}  for {hosts}", secret.name, secret.updated_at.format("%Y-%m-%d %H:%M:%S")));
}
