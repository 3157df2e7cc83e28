//! Proving that the address of an account is its user's, by a token that is sent there.

use turbocat_domain::{
    limits,
    permission::Permission,
    port::{Mail, RepositoryError},
    problem::Problem,
    user_token::{TokenPurpose, UserToken},
    value::SecretHash,
};

use super::{
    Access,
    login::ATTEMPTS,
    mail::{of_account, unusable},
};
use crate::{Actor, Error, Origin, Result, audit::Changes};

const PURPOSE: TokenPurpose = TokenPurpose::EmailVerification;

impl Access {
    /// Makes the mail with which who asks can prove their address.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Invalid`] if it is proven already; [`Error::RateLimited`] if they were written to
    /// often enough.
    pub async fn issue_email_verification(&self, actor: Actor, origin: &Origin) -> Result<Mail> {
        actor.ensure(Permission::AccountWrite)?;
        let user = self.own_account(actor).await?;
        if user.email_verified {
            let problem = Problem::new("already_verified", "email", "the address is proven already");
            return Err(Error::Invalid(problem.into()));
        }
        let limit = limits::MAILS_PER_MINUTE;
        if let Some(retry_after_ms) = self.take_mail(&user, self.use_cases.ports.clock.now()).await? {
            return Err(Error::RateLimited { limit, retry_after_ms });
        }
        let issued = self.issue(&user, (PURPOSE, "user.email_verification_requested"), origin).await?;
        let retry_after_ms = PURPOSE.lifetime().num_milliseconds().unsigned_abs();
        issued.ok_or(Error::RateLimited { limit, retry_after_ms })
    }

    /// Takes the address of an account as proven, for who brings the token of the mail.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the token cannot be used, which does not say why; [`Error::RateLimited`] for an address with
    /// too many wrong ones.
    pub async fn confirm_email_verification(&self, token: &str, origin: &Origin) -> Result<()> {
        let found = self.brought_back((PURPOSE, token), origin).await?;
        let mut attempt = 1;
        loop {
            match self.try_verification(&found, origin).await {
                // Somebody changed the account since it was read: look again.
                Err(Error::Storage(RepositoryError::Conflict { .. })) if attempt < ATTEMPTS => attempt += 1,
                ended => return ended,
            }
        }
    }

    async fn try_verification(&self, (found, token_hash): &(UserToken, SecretHash), origin: &Origin) -> Result<()> {
        let (now, use_cases) = (self.use_cases.ports.clock.now(), self.use_cases.on_behalf_of(origin));
        let user = match use_cases.ports.queries.users().get(found.user_id).await {
            Ok(user) if user.can_act() && user.email == found.email => user,
            Ok(_) | Err(RepositoryError::NotFound { .. }) => return Err(unusable()),
            Err(error) => return Err(error.into()),
        };
        let mut uow = use_cases.ports.store.begin().await?;
        if uow.user_tokens().redeem(PURPOSE, token_hash.as_str()).await?.is_none() {
            return Err(unusable());
        }
        let mut next = user.clone();
        next.verify_email(now);
        uow.users().save(&next, now).await?;
        let mut entry = of_account(&user, "user.email_verified");
        entry.changes = Changes::default().field("email_verified", user.email_verified, true);
        use_cases.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        self.forget();
        Ok(())
    }
}
