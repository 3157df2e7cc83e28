//! Logging in with a password, logging out, and the sessions in between.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{SessionId, UserId},
    limits,
    permission::Permission,
    port::{Page, PageRequest, RepositoryError},
    session::{NewSession, Session},
    user::{User, UserRole},
    value::{Email, SecretHash},
};

use super::{Access, Caller, Token, Via, rate::Rate, token::sha256_hex};
use crate::{
    Actor, Error, Match, Origin, Result,
    audit::{Audited, Changes},
};

/// How often a change is tried that meets another change of the account.
pub(super) const ATTEMPTS: u32 = 4;

/// Who wants to log in.
pub struct LogIn {
    /// The address of the account.
    pub email: String,
    /// The password.
    pub password: String,
}

/// A session, with the token that is shown once.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The session.
    pub session: Session,
    /// The token.
    pub token: Token,
    /// Who logged in.
    pub user: User,
}

impl Access {
    /// Logs in with a password. What is wrong with a login is not told, and takes the same time whatever it is. Logins
    /// are counted for each account and address apart: who guesses keeps nobody else out.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::RateLimited`].
    pub async fn log_in(&self, login: LogIn, origin: &Origin) -> Result<LoggedIn> {
        let now = self.use_cases.ports.clock.now();
        self.take_login(&login.email, origin, now).await?;
        let email = Email::parse(login.email.clone()).ok();
        let user = match &email {
            Some(email) => self.use_cases.ports.queries.users().find_by_email(email).await?,
            None => None,
        };
        // A service account has no password, whatever its row says.
        let user = user.filter(|user| user.can_act() && user.role != UserRole::Agent);
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let is_too_long = login.password.len() > limits::PASSWORD_BYTES_MAX;
        let password = if is_too_long { String::new() } else { login.password.clone() };
        let found = self.ports.passwords.compare(password, hash).await?;
        match (user, found) {
            (Some(user), Match::Right | Match::RightButOld) => {
                let rehashed = match found {
                    Match::RightButOld => Some(self.ports.passwords.hash(login.password).await?),
                    _ => None,
                };
                self.begin_session(user.id, rehashed, origin).await
            }
            (user, _) => {
                self.note_failure(user.map(|user| user.id), origin, now).await?;
                Err(self.wrong(origin, now).await?)
            }
        }
    }

    /// Ends the session that somebody is known by. A key stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn log_out(&self, caller: &Caller, origin: &Origin) -> Result<()> {
        match caller.via {
            Via::Session(id) => self.end_session(caller.actor, id, origin).await,
            Via::Key(_) => Ok(()),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none that stands, or it is somebody else's.
    pub async fn end_session(&self, actor: Actor, id: SessionId, origin: &Origin) -> Result<()> {
        let missing = || Error::NotFound { entity: "session", name: id.to_string() };
        let session = match self.use_cases.ports.queries.sessions().get(id).await {
            Ok(session) if session.user_id == actor.id && session.ended_at.is_none() => session,
            Ok(_) | Err(RepositoryError::NotFound { .. }) => return Err(missing()),
            Err(error) => return Err(error.into()),
        };
        let (now, use_cases) = (self.use_cases.ports.clock.now(), self.use_cases.on_behalf_of(origin));
        let mut uow = use_cases.ports.store.begin().await?;
        uow.sessions().end(session.id, now).await?;
        let ended = (actor.id, "session.ended", "session", session.id.as_uuid());
        use_cases.audit(uow.as_mut(), ended, now).await?;
        uow.commit().await?;
        self.memory.known.forget();
        Ok(())
    }

    /// The sessions of who asks that stand.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn sessions(&self, actor: Actor, page: PageRequest) -> Result<Page<Session>> {
        actor.ensure(Permission::AccountRead)?;
        Ok(self.use_cases.ports.queries.sessions().list(actor.id, page).await?)
    }

    pub(super) async fn take_login(&self, email: &str, origin: &Origin, now: DateTime<Utc>) -> Result<()> {
        let address = origin.ip_address.map(|address| address.to_string()).unwrap_or_default();
        if let Some(retry_after_ms) = self.memory.rates.is_refused(&format!("address:{address}"), now) {
            return Err(Error::RateLimited { limit: limits::WRONG_CREDENTIALS_PER_MINUTE, retry_after_ms });
        }
        let account = sha256_hex(email.trim().to_ascii_lowercase().as_bytes());
        let limit = limits::LOGINS_PER_MINUTE;
        let rate = Rate { subject: format!("login:{account}:{address}"), per_minute: limit, burst: limit };
        let state = self.memory.rates.take(self.ports.limiter.as_ref(), &rate, now).await?;
        match state.retry_after_ms {
            Some(retry_after_ms) => Err(Error::RateLimited { limit, retry_after_ms }),
            None => Ok(()),
        }
    }

    /// Writes the session and what the login says of the account, in one transaction.
    async fn begin_session(&self, user: UserId, rehashed: Option<SecretHash>, origin: &Origin) -> Result<LoggedIn> {
        let mut attempt = 1;
        loop {
            match self.try_session(user, rehashed.clone(), origin).await {
                // Somebody changed the account since it was read: look again.
                Err(Error::Storage(RepositoryError::Conflict { .. })) if attempt < ATTEMPTS => attempt += 1,
                ended => return ended,
            }
        }
    }

    async fn try_session(&self, user: UserId, rehashed: Option<SecretHash>, origin: &Origin) -> Result<LoggedIn> {
        let (now, use_cases) = (self.use_cases.ports.clock.now(), self.use_cases.on_behalf_of(origin));
        let user = use_cases.ports.queries.users().get(user).await?;
        let token = Token::new_session(self.ports.secrets.as_ref())?;
        let new = NewSession {
            id: SessionId::from_uuid(use_cases.ports.ids.next()),
            user_id: user.id,
            token_hash: token.hash(),
        };
        let session =
            Session { ip_address: origin.ip_address, user_agent: origin.user_agent.clone(), ..Session::new(new, now) };
        let password_hash = rehashed.or_else(|| user.password_hash.clone());
        let user = User { last_login_at: Some(now), password_hash, ..user };
        let mut uow = use_cases.ports.store.begin().await?;
        uow.users().save(&user, now).await?;
        uow.sessions().insert(&session).await?;
        let began = (user.id, "session.began", "session", session.id.as_uuid());
        use_cases.audit(uow.as_mut(), began, now).await?;
        uow.commit().await?;
        Ok(LoggedIn { session, token, user })
    }

    /// One row for each failed login, whether there is such an account or not.
    pub(super) async fn note_failure(&self, user: Option<UserId>, origin: &Origin, now: DateTime<Utc>) -> Result<()> {
        let use_cases = self.use_cases.on_behalf_of(origin);
        let mut uow = use_cases.ports.store.begin().await?;
        let entry = Audited {
            user,
            action: "session.refused",
            resource_type: "session",
            resource: None,
            changes: Changes::default(),
        };
        use_cases.note(uow.as_mut(), entry, now).await?;
        Ok(uow.commit().await?)
    }
}
