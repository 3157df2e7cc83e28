//! Changing one's own password.

use turbocat_domain::{
    limits,
    problem::{Problem, Problems},
    user::{User, UserRole},
};

use super::{Access, Caller};
use crate::{
    Error, Match, Origin, Result,
    audit::{Audited, Changes},
    password,
};

impl Access {
    /// Changes the password of who asks, who must know the one before, and ends all their sessions: who has stolen one is
    /// out, and so is who holds a token of a mail. Keys stay. Tries count as logins do.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the current password is wrong, or the new one cannot be taken; [`Error::RateLimited`].
    pub async fn change_password(
        &self,
        caller: &Caller,
        (current, new): (String, String),
        origin: &Origin,
    ) -> Result<()> {
        let now = self.use_cases.ports.clock.now();
        let user = self.own_account(caller.actor).await?;
        self.take_login(user.email.as_str(), origin, now).await?;
        let refusal = password::refusal(&new).map(|problem| Problem { path: "new".to_owned(), ..problem });
        let mut problems: Problems = refusal.into_iter().collect();
        let hash = user.password_hash.clone().filter(|_| user.role != UserRole::Agent);
        let current = if current.len() > limits::PASSWORD_BYTES_MAX { String::new() } else { current };
        if self.ports.passwords.compare(current, hash).await? == Match::Wrong {
            self.note_failure(Some(user.id), origin, now).await?;
            problems.push(Problem::new("wrong_password", "current", "it is not the password of this account"));
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let password_hash = Some(self.hash_password(new).await?);
        let use_cases = self.use_cases.on_behalf_of(origin);
        let mut uow = use_cases.ports.store.begin().await?;
        uow.user_tokens().revoke_all(user.id).await?;
        uow.users().save(&User { password_hash, ..user.clone() }, now).await?;
        uow.sessions().end_all(user.id, now).await?;
        let entry = Audited {
            user: Some(user.id),
            action: "user.password_changed",
            resource_type: "user",
            resource: Some(user.id.as_uuid()),
            changes: Changes::default(),
        };
        use_cases.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        self.forget();
        Ok(())
    }
}
