//! Setting a new password without the one before, by a token that is sent to the address of the account.

use turbocat_domain::{
    port::{Mail, RepositoryError},
    user::{User, UserRole},
    user_token::{TokenPurpose, UserToken},
    value::{Email, SecretHash},
};

use super::{
    Access,
    login::ATTEMPTS,
    mail::{of_account, unusable},
};
use crate::{Error, Origin, Result, password, seed::ADMIN_EMAIL};

const PURPOSE: TokenPurpose = TokenPurpose::PasswordReset;

impl Access {
    /// Lets a request for a reset in, or says that its address has sent too many. It looks at no account.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`].
    pub async fn admit_password_reset(&self, origin: &Origin) -> Result<()> {
        self.take_request(origin, self.use_cases.ports.clock.now()).await
    }

    /// Makes the mail for a reset; nothing if there is no such account, it has no password that could be forgotten, or
    /// it was written to often enough. Do it where nobody waits: its time tells which.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::NoRandomness`].
    pub async fn issue_password_reset(&self, email: &str, origin: &Origin) -> Result<Option<Mail>> {
        let Ok(email) = Email::parse(email) else { return Ok(None) };
        let found = self.use_cases.ports.queries.users().find_by_email(&email).await?;
        let Some(user) = found.filter(may_reset) else { return Ok(None) };
        if self.take_mail(&user, self.use_cases.ports.clock.now()).await?.is_some() {
            tracing::debug!(user.id = %user.id, "a reset was asked for too often");
            return Ok(None);
        }
        self.issue(&user, (PURPOSE, "user.password_reset_requested"), origin).await
    }

    /// Sets a new password, for who brings the token of the mail. All sessions end, all tokens too, and the address is
    /// proven: the mail was read there. The answer is what the user is to be told.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the token cannot be used, which does not say why, or the password cannot be taken: the
    /// token is not used up then; [`Error::RateLimited`] for an address with too many wrong ones.
    pub async fn confirm_password_reset(&self, (token, password): (&str, String), origin: &Origin) -> Result<Mail> {
        if let Some(problem) = password::refusal(&password) {
            return Err(Error::Invalid(problem.into()));
        }
        let found = self.brought_back((PURPOSE, token), origin).await?;
        let password_hash = self.hash_password(password).await?;
        let mut attempt = 1;
        loop {
            match self.try_reset(&found, &password_hash, origin).await {
                // Somebody changed the account since it was read: look again.
                Err(Error::Storage(RepositoryError::Conflict { .. })) if attempt < ATTEMPTS => attempt += 1,
                ended => return ended,
            }
        }
    }

    async fn try_reset(
        &self,
        (found, token_hash): &(UserToken, SecretHash),
        password_hash: &SecretHash,
        origin: &Origin,
    ) -> Result<Mail> {
        let (now, use_cases) = (self.use_cases.ports.clock.now(), self.use_cases.on_behalf_of(origin));
        let user = match use_cases.ports.queries.users().get(found.user_id).await {
            Ok(user) if may_reset(&user) && user.email == found.email => user,
            Ok(_) | Err(RepositoryError::NotFound { .. }) => return Err(unusable()),
            Err(error) => return Err(error.into()),
        };
        let mut uow = use_cases.ports.store.begin().await?;
        if uow.user_tokens().redeem(PURPOSE, token_hash.as_str()).await?.is_none() {
            return Err(unusable());
        }
        uow.user_tokens().revoke_all(user.id).await?;
        let mut next = User { password_hash: Some(password_hash.clone()), ..user.clone() };
        next.verify_email(now);
        uow.users().save(&next, now).await?;
        uow.sessions().end_all(user.id, now).await?;
        use_cases.note(uow.as_mut(), of_account(&user, "user.password_reset"), now).await?;
        uow.commit().await?;
        self.forget();
        Ok(self.mail_of_change(&user))
    }
}

/// Whether the password of an account can be set by a mail: it has one, and its address is somebody's. That of the first
/// account is the same everywhere, and nobody's here.
fn may_reset(user: &User) -> bool {
    let is_ours = user.email.as_str() != ADMIN_EMAIL;
    is_ours && user.can_act() && user.role != UserRole::Agent && user.password_hash.is_some()
}
