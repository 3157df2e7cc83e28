//! People, and agents that act under an account of their own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    id::UserId,
    value::{Email, Name, SecretHash, soft_delete, text_enum},
};

text_enum! {
    /// What a user may do in general.
    #[derive(Default)]
    pub enum UserRole: "a user role" {
        /// Everything, for everybody.
        Admin = "admin",
        /// Everything with what is their own, and use what is public.
        #[default]
        User = "user",
        /// What an automated caller needs: run what exists, change nothing.
        Agent = "agent",
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The address; no two accounts share one.
    pub email: Email,
    /// The hash of the password; `None` for an account that cannot log in with one.
    pub password_hash: Option<SecretHash>,
    /// What the user is called.
    pub full_name: Option<Name>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// What the user may do.
    pub role: UserRole,
    /// Whether the account can be used.
    pub is_active: bool,
    /// Whether the address is proven to be the user's.
    pub email_verified: bool,
    /// When it was proven.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// When the user last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// What the user has set in the console.
    pub preferences: Value,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What every new user needs; the rest has defaults: `User { role, ..User::new(new, now) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// The address.
    pub email: Email,
}

impl User {
    /// A new account without a password, in the role of a user.
    #[must_use]
    pub fn new(new: NewUser, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            email: new.email,
            password_hash: None,
            full_name: None,
            avatar_url: None,
            role: UserRole::default(),
            is_active: true,
            email_verified: false,
            email_verified_at: None,
            last_login_at: None,
            preferences: json!({}),
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// Whether the account may be used: it is active, and not deleted.
    #[must_use]
    pub const fn can_act(&self) -> bool {
        self.is_active && self.deleted_at.is_none()
    }

    /// Notes that the address is proven to be the user's; the first proof counts.
    pub fn verify_email(&mut self, now: DateTime<Utc>) {
        self.email_verified = true;
        self.email_verified_at.get_or_insert(now);
    }

    /// Changes the address. The new one is not proven.
    pub fn change_email(&mut self, email: Email) {
        if self.email != email {
            self.email = email;
            self.email_verified = false;
            self.email_verified_at = None;
        }
    }
}

soft_delete!(User);

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn ada() -> User {
        User::new(NewUser { id: UserId::from_uuid(Uuid::nil()), email: Email::parse("ada@example.com").unwrap() }, NOW)
    }

    #[test]
    fn a_new_user_has_the_defaults_of_the_specification() {
        let user = ada();

        assert_eq!((user.role, user.is_active, user.email_verified), (UserRole::User, true, false));
        assert_eq!((user.preferences, user.created_at, user.deleted_at), (json!({}), NOW, None));
    }

    #[test]
    fn a_user_does_not_show_the_hash_of_the_password() {
        let user = User { password_hash: Some("$argon2id$secret".to_owned().into()), ..ada() };

        assert!(!format!("{user:?}").contains("secret"));
    }

    #[test]
    fn a_new_address_is_not_proven_and_the_same_one_stays_so() {
        let mut user = ada();
        user.verify_email(NOW);
        user.verify_email(NOW + TimeDelta::days(1));
        assert_eq!(user.email_verified_at, Some(NOW));

        user.change_email(Email::parse("ADA@example.com").unwrap());
        assert!(user.email_verified);

        user.change_email(Email::parse("lovelace@example.com").unwrap());
        assert_eq!((user.email_verified, user.email_verified_at), (false, None));
    }

    #[test]
    fn who_is_inactive_or_deleted_cannot_act() {
        assert!(ada().can_act());
        assert!(!User { is_active: false, ..ada() }.can_act());
        assert!(!User { deleted_at: Some(NOW), ..ada() }.can_act());
    }
}
