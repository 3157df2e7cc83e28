//! What users are written to, and the tokens in it.

use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::UserTokenId,
    limits,
    port::Mail,
    problem::Problem,
    user::User,
    user_token::{NewUserToken, TokenPurpose, UserToken},
    value::SecretHash,
};

use super::{Access, Token, rate::Rate, token::mailed_hash};
use crate::{
    Error, Origin, Result,
    audit::{Audited, Changes},
};

impl Access {
    /// Sends a mail, after all that belongs to it is committed. That it could not be sent is in the log, and told to
    /// nobody: who asked for it may not be who it is for.
    pub async fn deliver(&self, mail: Mail) {
        if let Err(error) = self.ports.mailer.send(&mail).await {
            tracing::warn!(%error, subject = mail.subject, "a mail to a user was not sent");
        }
    }

    /// Takes a permit for a mail to an account; without one, says in how many milliseconds there is the next.
    pub(super) async fn take_mail(&self, user: &User, now: DateTime<Utc>) -> Result<Option<u64>> {
        let subject = format!("mail:{}", user.id);
        let rate = Rate { subject, per_minute: limits::MAILS_PER_MINUTE, burst: limits::MAILS_BURST };
        Ok(self.memory.rates.take(self.ports.limiter.as_ref(), &rate, now).await?.retry_after_ms)
    }

    /// Takes a permit for a request of an address that somebody is to be written to.
    pub(super) async fn take_request(&self, origin: &Origin, now: DateTime<Utc>) -> Result<()> {
        let address = origin.ip_address.map(|address| address.to_string()).unwrap_or_default();
        let limit = limits::RESETS_PER_MINUTE;
        let rate = Rate { subject: format!("reset:{address}"), per_minute: limit, burst: limit };
        match self.memory.rates.take(self.ports.limiter.as_ref(), &rate, now).await?.retry_after_ms {
            Some(retry_after_ms) => Err(Error::RateLimited { limit, retry_after_ms }),
            None => Ok(()),
        }
    }

    /// Makes a token for the address of a user, and the mail that it goes in; nothing if enough of them stand.
    pub(super) async fn issue(
        &self,
        user: &User,
        (purpose, action): (TokenPurpose, &'static str),
        origin: &Origin,
    ) -> Result<Option<Mail>> {
        let (now, use_cases) = (self.use_cases.ports.clock.now(), self.use_cases.on_behalf_of(origin));
        let token = Token::new_mailed(purpose, self.ports.secrets.as_ref())?;
        let new = NewUserToken {
            id: UserTokenId::from_uuid(use_cases.ports.ids.next()),
            user_id: user.id,
            purpose,
            token_hash: token.hash(),
            email: user.email.clone(),
            lifetime: purpose.lifetime(),
        };
        let mut uow = use_cases.ports.store.begin().await?;
        if !uow.user_tokens().issue(&new, limits::USER_TOKENS_MAX).await? {
            return Ok(None);
        }
        use_cases.note(uow.as_mut(), of_account(user, action), now).await?;
        uow.commit().await?;
        Ok(Some(self.mail_of(user, purpose, &token)))
    }

    /// The token that somebody brought back, if it can be used; wrong ones are counted for their address.
    pub(super) async fn brought_back(
        &self,
        (purpose, text): (TokenPurpose, &str),
        origin: &Origin,
    ) -> Result<(UserToken, SecretHash)> {
        let now = self.use_cases.ports.clock.now();
        let address = origin.ip_address.map(|address| address.to_string()).unwrap_or_default();
        if let Some(retry_after_ms) = self.memory.rates.is_refused(&format!("address:{address}"), now) {
            return Err(Error::RateLimited { limit: limits::WRONG_CREDENTIALS_PER_MINUTE, retry_after_ms });
        }
        if let Some(hash) = mailed_hash(purpose, text) {
            let tokens = self.use_cases.ports.queries.user_tokens();
            if let Some(token) = tokens.find_usable(purpose, hash.as_str()).await? {
                return Ok((token, hash));
            }
        }
        Err(self.wrong_token(origin, now).await?)
    }

    /// What who brings a token that cannot be used is told: that it cannot, or that it is too often.
    pub(super) async fn wrong_token(&self, origin: &Origin, now: DateTime<Utc>) -> Result<Error> {
        Ok(match self.wrong(origin, now).await? {
            Error::Unauthenticated => unusable(),
            error => error,
        })
    }

    fn mail_of(&self, user: &User, purpose: TokenPurpose, token: &Token) -> Mail {
        let (url, token) = (self.ports.public_url.trim_end_matches('/'), token.expose());
        let hours = purpose.lifetime().num_hours();
        let (subject, asked, path, body) = match purpose {
            TokenPurpose::PasswordReset => (
                "Set a new password for Turbocat",
                "Somebody asked for a new password",
                "password-resets",
                format!(r#"{{"token": "{token}", "password": "YOUR NEW PASSWORD"}}"#),
            ),
            TokenPurpose::EmailVerification => (
                "Is this your address for Turbocat?",
                "Somebody asked whether this is the address",
                "email-verifications",
                format!(r#"{{"token": "{token}"}}"#),
            ),
        };
        let text = format!(
            "{asked} of the account {email} at {url}.\n\nIf that was you, use this token within {hours} h, once:\n\n    \
             {token}\n\nOn a command line:\n\n    curl -X POST {url}/api/v1/{path}/confirm \\\n      -H 'Content-Type: \
             application/json' \\\n      -d '{body}'\n\nIf it was not you, do nothing: without the token nothing \
             changes. Turbocat never asks you for it.\n",
            email = user.email,
        );
        Mail { to: user.email.clone(), subject: subject.to_owned(), text }
    }

    /// Tells a user that the password was changed: who did not do it learns of it.
    pub(super) fn mail_of_change(&self, user: &User) -> Mail {
        let url = self.ports.public_url.trim_end_matches('/');
        let text = format!(
            "The password of the account {email} at {url} was changed, and all its sessions have ended.\n\nIf that was \
             not you, tell your administrator at once.\n",
            email = user.email,
        );
        Mail { to: user.email.clone(), subject: "Your password for Turbocat was changed".to_owned(), text }
    }
}

/// An entry about an account, by its owner.
pub(super) fn of_account(user: &User, action: &'static str) -> Audited {
    Audited {
        user: Some(user.id),
        action,
        resource_type: "user",
        resource: Some(user.id.as_uuid()),
        changes: Changes::default(),
    }
}

/// A token that cannot be used; why is not told.
pub(super) fn unusable() -> Error {
    let message = "it is unknown, was used, or its time is over: ask for another one";
    Error::Invalid(Problem::new("invalid_token", "token", message).into())
}
