//! Accounts, for administrators.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use turbocat_domain::{
    id::UserId,
    permission::Permission,
    port::{Page, PageRequest, UserFilter},
    problem::{Problem, Problems},
    user::{NewUser, User, UserRole},
    value::{Email, Name},
};

use crate::{
    Access, Actor, Error, Origin, Result,
    audit::{Audited, Changes},
    library::{ensure_unchanged, missing, named},
    password,
};

const USER: &str = "user";

/// An account that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The address.
    pub email: String,
    /// What the user is called.
    pub full_name: Option<String>,
    /// What the user may do.
    pub role: UserRole,
    /// The password; without one nobody can log in.
    pub password: Option<String>,
}

/// What is to be changed of an account; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// What the user is called.
    pub full_name: Option<String>,
    /// What the user may do.
    pub role: Option<UserRole>,
    /// Whether the account can be used.
    pub is_active: Option<bool>,
    /// When it was changed last, as who asks has read it; a change that came in between is not overwritten then.
    pub read_at: Option<DateTime<Utc>>,
}

impl Access {
    /// Makes an account.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with all that is wrong with it; `RepositoryError::AlreadyExists` in [`Error::Storage`] if
    /// the address has one, be it deleted.
    pub async fn create_user(&self, actor: Actor, wanted: NewAccount, origin: &Origin) -> Result<User> {
        actor.ensure(Permission::UsersWrite)?;
        let use_cases = self.use_cases().on_behalf_of(origin);
        let now = use_cases.ports.clock.now();
        let (email, full_name) = checked(&wanted)?;
        let password_hash = match wanted.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let new = NewUser { id: UserId::from_uuid(use_cases.ports.ids.next()), email };
        let user = User { role: wanted.role, full_name, password_hash, ..User::new(new, now) };
        let mut uow = use_cases.ports.store.begin().await?;
        uow.users().insert(&user).await?;
        let changes = Changes::default().field("email", json!(null), user.email.as_str()).field(
            "role",
            json!(null),
            user.role.as_str(),
        );
        let entry = Audited {
            user: Some(actor.id),
            action: "user.created",
            resource_type: USER,
            resource: Some(user.id.as_uuid()),
            changes,
        };
        use_cases.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        Ok(user)
    }

    /// A page of accounts.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn users(&self, actor: Actor, filter: &UserFilter, page: PageRequest) -> Result<Page<User>> {
        actor.ensure(Permission::UsersRead)?;
        Ok(self.use_cases().ports.queries.users().list(filter, page).await?)
    }

    /// One account: everybody's for an administrator, one's own for the others.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn user(&self, actor: Actor, id: UserId) -> Result<User> {
        let permission = if id == actor.id { Permission::AccountRead } else { Permission::UsersRead };
        actor.ensure(permission)?;
        self.use_cases().ports.queries.users().get(id).await.map_err(|error| named(error, USER, id))
    }

    /// The account of who asks, whatever their credential may do.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if it was deleted a moment ago.
    pub async fn own_account(&self, actor: Actor) -> Result<User> {
        self.use_cases().ports.queries.users().get(actor.id).await.map_err(|error| named(error, USER, actor.id))
    }

    /// Finds an account by its address.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn user_by_email(&self, actor: Actor, email: &str) -> Result<User> {
        actor.ensure(Permission::UsersRead)?;
        let Ok(address) = Email::parse(email) else { return Err(missing(USER, email)) };
        let found = self.use_cases().ports.queries.users().find_by_email(&address).await?;
        found.ok_or_else(|| missing(USER, email))
    }

    /// Changes an account. Who is switched off, or gets another role, has no session any more.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Invalid`]; `RepositoryError::Conflict` in [`Error::Storage`] if it was changed
    /// since it was read.
    pub async fn change_user(
        &self,
        actor: Actor,
        (id, change): (UserId, AccountChange),
        origin: &Origin,
    ) -> Result<User> {
        actor.ensure(Permission::UsersWrite)?;
        let use_cases = self.use_cases().on_behalf_of(origin);
        let now = use_cases.ports.clock.now();
        let stored = self.user(actor, id).await?;
        ensure_unchanged(USER, change.read_at, stored.updated_at)?;
        let next = with_change(stored.clone(), &change)?;
        if actor.id == id && (!next.is_active || next.role != stored.role) {
            let problem = Problem::new("own_account", "role", "nobody switches off or degrades the own account");
            return Err(Error::Invalid(problem.into()));
        }
        let mut uow = use_cases.ports.store.begin().await?;
        uow.users().save(&next, now).await?;
        if stored.role != next.role || !next.is_active {
            uow.sessions().end_all(id, now).await?;
        }
        let changes = Changes::default()
            .field("full_name", name_of(&stored), name_of(&next))
            .field("role", stored.role.as_str(), next.role.as_str())
            .field("is_active", stored.is_active, next.is_active);
        let entry = Audited {
            user: Some(actor.id),
            action: "user.updated",
            resource_type: USER,
            resource: Some(id.as_uuid()),
            changes,
        };
        use_cases.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        self.forget();
        self.user(actor, id).await
    }

    /// Deletes an account: it cannot act any more, and its sessions end.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Invalid`] for one's own.
    pub async fn delete_user(
        &self,
        actor: Actor,
        (id, read_at): (UserId, Option<DateTime<Utc>>),
        origin: &Origin,
    ) -> Result<()> {
        actor.ensure(Permission::UsersWrite)?;
        if actor.id == id {
            let problem = Problem::new("own_account", "id", "nobody deletes the own account");
            return Err(Error::Invalid(problem.into()));
        }
        let use_cases = self.use_cases().on_behalf_of(origin);
        let now = use_cases.ports.clock.now();
        let stored = self.user(actor, id).await?;
        ensure_unchanged(USER, read_at, stored.updated_at)?;
        let mut uow = use_cases.ports.store.begin().await?;
        if read_at.is_some() {
            // It holds the row, and is refused if somebody was faster.
            uow.users().save(&stored, now).await?;
        }
        uow.users().delete(id, now).await.map_err(|error| named(error, USER, id))?;
        uow.sessions().end_all(id, now).await?;
        use_cases.audit(uow.as_mut(), (actor.id, "user.deleted", USER, id.as_uuid()), now).await?;
        uow.commit().await?;
        self.forget();
        Ok(())
    }

    /// Undoes a delete.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none that was deleted.
    pub async fn restore_user(&self, actor: Actor, id: UserId, origin: &Origin) -> Result<User> {
        actor.ensure(Permission::UsersWrite)?;
        let use_cases = self.use_cases().on_behalf_of(origin);
        let now = use_cases.ports.clock.now();
        let mut uow = use_cases.ports.store.begin().await?;
        uow.users().restore(id, now).await.map_err(|error| named(error, USER, id))?;
        use_cases.audit(uow.as_mut(), (actor.id, "user.restored", USER, id.as_uuid()), now).await?;
        uow.commit().await?;
        self.user(actor, id).await
    }
}

fn name_of(user: &User) -> Value {
    user.full_name.as_ref().map_or(Value::Null, |name| json!(name.as_str()))
}

/// The address and the name, or all that is wrong with what is wanted.
fn checked(wanted: &NewAccount) -> Result<(Email, Option<Name>)> {
    let mut problems = Problems::default();
    let email = Email::parse(wanted.email.clone());
    if let Err(error) = &email {
        problems.add("invalid_email", "email", error.to_string());
    }
    let full_name = wanted.full_name.clone().map(Name::parse).transpose();
    if let Err(error) = &full_name {
        problems.add("invalid_name", "full_name", error.to_string());
    }
    if let Some(password) = &wanted.password {
        problems.extend(password::refusal(password));
        if wanted.role == UserRole::Agent {
            problems.add("not_allowed", "password", "a service account has no password: make a key for it");
        }
    }
    match (email, full_name) {
        (Ok(email), Ok(full_name)) if problems.is_empty() => Ok((email, full_name)),
        _ => Err(Error::Invalid(problems)),
    }
}

fn with_change(user: User, change: &AccountChange) -> Result<User> {
    let full_name = match &change.full_name {
        Some(name) => Some(
            Name::parse(name.clone())
                .map_err(|error| Error::Invalid(Problem::new("invalid_name", "full_name", error.to_string()).into()))?,
        ),
        None => user.full_name.clone(),
    };
    Ok(User {
        full_name,
        role: change.role.unwrap_or(user.role),
        is_active: change.is_active.unwrap_or(user.is_active),
        ..user
    })
}
