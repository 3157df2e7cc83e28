//! What every installation begins with: the first account, and the official templates.

mod templates;

use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{TemplateId, UserId},
    port::{RepositoryError, UnitOfWork},
    template::Template,
    user::{NewUser, User, UserRole},
    value::{Email, Name},
};

pub use self::templates::{OfficialTemplate, official_templates};
use crate::{Actor, Error, PasswordHasher, Result, UseCases, password};

/// The address of the first account.
pub const ADMIN_EMAIL: &str = "admin@turbocat.dev";
const ADMIN_NAME: &str = "Admin User";
/// Two processes that seed at once take turns by locking this name of an agent that never exists.
const SEED_LOCK: &str = "turbocat:seed";

/// What seeding did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedReport {
    /// The first account.
    pub admin: Actor,
    /// Whether the account is new.
    pub admin_created: bool,
    /// Whether the account got its password now.
    pub password_set: bool,
    /// The official templates that are new.
    pub templates_created: Vec<String>,
    /// The official templates whose content is another now.
    pub templates_updated: Vec<String>,
}

impl UseCases {
    /// Makes the first account and the official templates, as far as they are missing. The account gets the
    /// password if it has none yet; a password that is there is never replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a password that cannot be taken, [`Error::Storage`], or [`Error::Password`]. [`RepositoryError::AlreadyExists`] in it means that the first
    /// account was deleted: restore it, or purge it.
    pub async fn seed(&self, password: Option<&str>, hasher: &dyn PasswordHasher) -> Result<SeedReport> {
        match self.try_seed(password, hasher).await {
            // Another process made the account between our look and our insert: look again.
            Err(Error::Storage(RepositoryError::AlreadyExists { .. })) => self.try_seed(password, hasher).await,
            ended => ended,
        }
    }

    /// The first account, if it was made already.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn administrator(&self) -> Result<Option<Actor>> {
        Ok(self.find_admin(&admin_email()?).await?.as_ref().map(Actor::from))
    }

    async fn find_admin(&self, email: &Email) -> Result<Option<User>> {
        Ok(self.ports.queries.users().find_by_email(email).await?)
    }

    async fn try_seed(&self, password: Option<&str>, hasher: &dyn PasswordHasher) -> Result<SeedReport> {
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        let (admin, admin_created) = self.seed_admin(uow.as_mut(), now).await?;
        let mut report = SeedReport {
            admin: Actor::from(&admin),
            admin_created,
            password_set: false,
            templates_created: Vec::new(),
            templates_updated: Vec::new(),
        };
        if let Some(password) = password.filter(|_| admin.password_hash.is_none()) {
            if let Some(problem) = password::refusal(password) {
                return Err(Error::Invalid(problem.into()));
            }
            let admin = User { password_hash: Some(hasher.hash(password)?), ..admin.clone() };
            uow.users().save(&admin, now).await?;
            self.audit(uow.as_mut(), (admin.id, "user.password_set", "user", admin.id.as_uuid()), now).await?;
            report.password_set = true;
        }
        uow.agents().lock_latest(admin.id, SEED_LOCK).await?;
        self.seed_templates(uow.as_mut(), &mut report, now).await?;
        uow.commit().await?;
        Ok(report)
    }

    async fn seed_admin(&self, uow: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<(User, bool)> {
        let email = admin_email()?;
        if let Some(admin) = self.find_admin(&email).await? {
            return Ok((admin, false));
        }
        let mut admin = User {
            role: UserRole::Admin,
            full_name: Name::parse(ADMIN_NAME).ok(),
            ..User::new(NewUser { id: UserId::from_uuid(self.ports.ids.next()), email }, now)
        };
        admin.verify_email(now);
        uow.users().insert(&admin).await?;
        self.audit(uow, (admin.id, "user.created", "user", admin.id.as_uuid()), now).await?;
        Ok((admin, true))
    }

    async fn seed_templates(
        &self,
        uow: &mut dyn UnitOfWork,
        report: &mut SeedReport,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let admin = report.admin.id;
        for official in official_templates() {
            let stored = self.ports.queries.templates().find_official(official.name.as_str()).await?;
            let Some(stored) = stored else {
                let template = official.to_template(TemplateId::from_uuid(self.ports.ids.next()), now);
                uow.templates().insert(std::slice::from_ref(&template)).await?;
                self.audit(uow, (admin, "template.created", "template", template.id.as_uuid()), now).await?;
                report.templates_created.push(template.name.to_string());
                continue;
            };
            let current = Template { updated_at: stored.updated_at, ..official.write_over(&stored) };
            if current != stored {
                uow.templates().save(&current, now).await?;
                self.audit(uow, (admin, "template.updated", "template", current.id.as_uuid()), now).await?;
                report.templates_updated.push(current.name.to_string());
            }
        }
        Ok(())
    }
}

/// The address as a value; it is one, which a test of seeding shows.
fn admin_email() -> Result<Email> {
    Email::parse(ADMIN_EMAIL).map_err(|_| Error::NotFound { entity: "address", name: ADMIN_EMAIL.to_owned() })
}
