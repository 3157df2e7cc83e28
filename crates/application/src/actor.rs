//! Who asks.

use turbocat_domain::{
    id::UserId,
    permission::{Permission, PermissionSet},
    user::{User, UserRole},
    value::Scope,
};

use crate::{Error, Result};

/// Who asks for something, and what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub id: UserId,
    /// Its role.
    pub role: UserRole,
    /// What may be done in its name now: what the role allows, narrowed by the scopes of a key.
    pub permissions: PermissionSet,
}

impl Actor {
    /// The same, with no more than these scopes allow.
    #[must_use]
    pub fn narrowed(self, scopes: &[Scope]) -> Self {
        Self { permissions: self.permissions.intersection(PermissionSet::of_scopes(scopes)), ..self }
    }

    /// Whether what belongs to this user exists for who asks.
    #[must_use]
    pub fn sees(&self, owner: UserId) -> bool {
        self.id == owner || self.role == UserRole::Admin
    }

    /// Whether who asks sees what belongs to anybody.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.role == UserRole::Admin
    }

    /// Whether who asks may do this at all.
    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Refuses who may not do this.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn ensure(&self, permission: Permission) -> Result<()> {
        if self.may(permission) { Ok(()) } else { Err(Error::Forbidden { permission }) }
    }
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self { id: user.id, role: user.role, permissions: PermissionSet::of_role(user.role) }
    }
}
