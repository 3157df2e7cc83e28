//! `turbocat secrets`: what agents show to other sides.

use std::{
    fs::File,
    io::{self, Read},
};

use anyhow::Context;
use serde_json::json;
use turbocat_client::{NewSecret, Secret};
use turbocat_domain::secret;

use crate::{
    args::{SecretSetArgs, SecretsCommand},
    desk::Desk,
    report,
};

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
/// If it is not valid, is not there, or the desk or the keys cannot be reached.
pub(super) async fn run(desk: &Desk, json: bool, prepared: Prepared) -> anyhow::Result<()> {
    let Prepared { command, value } = prepared;
    match command {
        SecretsCommand::Set(args) => {
            let user_id = desk.owner(args.user.as_deref()).await?;
            show(&desk.set_secret(NewSecret { name: args.name, value, hosts: args.hosts, user_id }).await?, json);
        }
        SecretsCommand::List { user } => {
            let owner = desk.owner(user.as_deref()).await?;
            for secret in &desk.secrets(owner).await? {
                show(secret, json);
            }
        }
        SecretsCommand::Delete { name, user } => {
            desk.delete_secret(desk.owner(user.as_deref()).await?, &name).await?;
            if json {
                report::json_line(&json!({ "secret": name, "deleted": true }));
            } else {
                report::line(format!("{name}: deleted"));
            }
        }
        SecretsCommand::Rotate => {
            let done = desk.rotate_secrets().await?;
            if json {
                report::json_line(&json!({ "key_id": done.key_id, "resealed": done.resealed }));
            } else {
                report::line(format!("{} secrets are now under the key {}", done.resealed, done.key_id));
            }
        }
    }
    Ok(())
}

fn show(secret: &Secret, json: bool) {
    if json {
        return report::json_line(&json!({
            "id": secret.id.to_string(), "user": secret.user_id.to_string(), "name": secret.name,
            "hosts": secret.hosts, "created_at": secret.created_at, "updated_at": secret.updated_at,
        }));
    }
    let hosts = if secret.hosts.is_empty() { "code agents alone".to_owned() } else { secret.hosts.join(" ") };
    report::line(format!("{}  set {}  for {hosts}", secret.name, secret.updated_at.format("%Y-%m-%d %H:%M:%S")));
}
