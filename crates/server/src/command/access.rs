//! `turbocat users` and `turbocat keys`: who may call the HTTP API.

use chrono::TimeDelta;
use serde_json::{Value, json};
use turbocat_client::{ApiKey, NewKey, NewUser, User};
use turbocat_domain::port::Clock;

use crate::{
    adapter::SystemClock,
    args::{KeyCreateArgs, KeysCommand, UserCreateArgs, UsersCommand},
    desk::Desk,
    report,
};

/// Makes or lists accounts.
///
/// # Errors
///
/// If it is not valid, exists already, or the desk cannot be reached.
pub(super) async fn users(desk: &Desk, json: bool, command: UsersCommand) -> anyhow::Result<()> {
    match command {
        UsersCommand::Create(UserCreateArgs { email, name, role, password }) => {
            let password = password.filter(|password| !password.is_empty());
            let wanted = NewUser { email, full_name: name, role: Some(role), password };
            show_user(&desk.create_user(wanted).await?, json);
        }
        UsersCommand::List { limit } => {
            for user in &desk.users(limit).await? {
                show_user(user, json);
            }
        }
    }
    Ok(())
}

fn show_user(user: &User, json: bool) {
    if json {
        return report::json_line(&json!({
            "user": user.id.to_string(), "email": user.email, "name": user.full_name, "role": user.role,
            "is_active": user.is_active,
        }));
    }
    let state = if user.is_active { "" } else { "  switched off" };
    report::line(format!("{}  {:<5}  {}{state}", user.id, user.role, user.email));
}

/// Makes, lists or revokes keys.
///
/// # Errors
///
/// If it is not valid, is not there, or the desk cannot be reached.
pub(super) async fn keys(desk: &Desk, json: bool, command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create(args) => create_key(desk, json, args).await?,
        KeysCommand::List { user } => {
            let owner = desk.owner(user.as_deref()).await?;
            for key in &desk.keys(owner).await? {
                show_key(key, json);
            }
        }
        KeysCommand::Revoke { id } => {
            desk.revoke_key(id).await?;
            if json {
                report::json_line(&json!({ "key": id.to_string(), "revoked": true }));
            } else {
                report::line(format!("{id}: revoked"));
            }
        }
    }
    Ok(())
}

async fn create_key(desk: &Desk, json: bool, args: KeyCreateArgs) -> anyhow::Result<()> {
    let wanted = NewKey {
        name: args.name,
        scopes: args.scopes,
        user_id: desk.owner(args.user.as_deref()).await?,
        expires_at: args.expires_in_days.map(|days| SystemClock.now() + TimeDelta::days(days.into())),
        rate_limit_per_minute: args.rate_limit_per_minute,
    };
    let issued = desk.create_key(wanted).await?;
    if json {
        let mut about = described(&issued.about);
        if let Some(members) = about.as_object_mut() {
            members.insert("secret".to_owned(), json!(issued.key));
        }
        report::json_line(&about);
        return Ok(());
    }
    report::note(format!("{}: keep it, it is shown this once", issued.about.id));
    report::line(issued.key);
    Ok(())
}

fn show_key(key: &ApiKey, json: bool) {
    if json {
        return report::json_line(&described(key));
    }
    report::line(format!("{}  {}…  {}  {}", key.id, key.key_prefix, key.name, key.scopes.join(" ")));
}

fn described(key: &ApiKey) -> Value {
    json!({
        "key": key.id.to_string(), "user": key.user_id.to_string(), "name": key.name, "prefix": key.key_prefix,
        "scopes": key.scopes, "expires_at": key.expires_at, "last_used_at": key.last_used_at,
        "usage_count": key.usage_count, "rate_limit_per_minute": key.rate_limit_per_minute,
    })
}
