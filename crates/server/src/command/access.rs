//! `turbocat users` and `turbocat keys`: who may call the HTTP API.

use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use serde_json::json;
use turbocat_application::{Actor, NewAccount, NewKey, Origin};
use turbocat_domain::{
    api_key::ApiKey,
    id::UserId,
    port::{Clock, PageRequest, UserFilter},
    user::User,
};

use super::seed_all;
use crate::{
    adapter::SystemClock,
    args::{GlobalArgs, KeyCreateArgs, KeysCommand, UserCreateArgs, UsersCommand},
    report,
    wire::App,
};

/// The most keys that are listed at once.
const KEYS_MAX: u16 = 200;

/// Makes or lists accounts.
///
/// # Errors
///
/// If it is not valid, exists already, or the database cannot be reached.
pub(super) async fn users(url: &str, global: &GlobalArgs, command: UsersCommand) -> anyhow::Result<ExitCode> {
    let app = App::prepare(url, global).await?;
    let admin = seed_all(&app).await?;
    let done = match command {
        UsersCommand::Create(args) => create_user(&app, admin, args, global.json).await,
        UsersCommand::List { limit } => list_users(&app, admin, limit, global.json).await,
    };
    app.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn create_user(app: &App, admin: Actor, args: UserCreateArgs, json: bool) -> anyhow::Result<()> {
    let password = args.password.filter(|password| !password.is_empty());
    let wanted = NewAccount { email: args.email, full_name: args.name, role: args.role, password };
    let user = app.access.create_user(admin, wanted, &origin()).await?;
    show_user(&user, json);
    Ok(())
}

async fn list_users(app: &App, admin: Actor, limit: u16, json: bool) -> anyhow::Result<()> {
    let page = PageRequest { limit, after: None };
    for user in &app.access.users(admin, &UserFilter::default(), page).await?.items {
        show_user(user, json);
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
/// If it is not valid, is not there, or the database cannot be reached.
pub(super) async fn keys(url: &str, global: &GlobalArgs, command: KeysCommand) -> anyhow::Result<ExitCode> {
    let app = App::prepare(url, global).await?;
    let admin = seed_all(&app).await?;
    let done = match command {
        KeysCommand::Create(args) => create_key(&app, admin, args, global.json).await,
        KeysCommand::List { user } => list_keys(&app, admin, user.as_deref(), global.json).await,
        KeysCommand::Revoke { id } => revoke_key(&app, admin, id, global.json).await,
    };
    app.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn create_key(app: &App, admin: Actor, args: KeyCreateArgs, json: bool) -> anyhow::Result<()> {
    let days = args.expires_in_days.map(|days| SystemClock.now() + TimeDelta::days(days.into()));
    let wanted = NewKey {
        name: args.name,
        scopes: args.scopes,
        owner: owner(app, admin, args.user.as_deref()).await?,
        expires_at: days,
        rate_limit_per_minute: args.rate_limit_per_minute,
    };
    let issued = app.access.create_key(admin, wanted, &origin()).await?;
    if json {
        let mut about = described(&issued.key);
        if let Some(members) = about.as_object_mut() {
            members.insert("secret".to_owned(), json!(issued.token.expose()));
        }
        report::json_line(&about);
        return Ok(());
    }
    report::note(format!("{}: keep it, it is shown this once", issued.key.id));
    report::line(issued.token.expose());
    Ok(())
}

async fn list_keys(app: &App, admin: Actor, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let owner = owner(app, admin, user).await?;
    let page = PageRequest { limit: KEYS_MAX, after: None };
    for key in &app.access.keys(admin, owner, page).await?.items {
        if json {
            report::json_line(&described(key));
        } else {
            let scopes = key.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            report::line(format!("{}  {}…  {}  {scopes}", key.id, key.key_prefix, key.name));
        }
    }
    Ok(())
}

async fn revoke_key(app: &App, admin: Actor, id: turbocat_domain::id::ApiKeyId, json: bool) -> anyhow::Result<()> {
    app.access.revoke_key(admin, id, &origin()).await?;
    if json {
        report::json_line(&json!({ "key": id.to_string(), "revoked": true }));
    } else {
        report::line(format!("{id}: revoked"));
    }
    Ok(())
}

/// The account with an address, if one is named.
pub(super) async fn owner(app: &App, admin: Actor, email: Option<&str>) -> anyhow::Result<Option<UserId>> {
    match email {
        Some(email) => Ok(Some(app.access.user_by_email(admin, email).await.context("--user")?.id)),
        None => Ok(None),
    }
}

fn described(key: &ApiKey) -> serde_json::Value {
    json!({
        "key": key.id.to_string(), "user": key.user_id.to_string(), "name": key.name, "prefix": key.key_prefix,
        "scopes": key.scopes, "expires_at": key.expires_at, "last_used_at": key.last_used_at,
        "usage_count": key.usage_count, "rate_limit_per_minute": key.rate_limit_per_minute,
    })
}

/// Commands come from this machine.
pub(super) fn origin() -> Origin {
    Origin::default().with_user_agent("turbocat command line")
}
