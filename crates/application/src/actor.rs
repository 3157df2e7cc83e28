//! Who asks.

use turbocat_domain::{
    id::UserId,
    user::{User, UserRole},
};

/// Who asks for something, and what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub id: UserId,
    /// Its role.
    pub role: UserRole,
}

impl Actor {
    /// Whether what belongs to this user exists for who asks.
    #[must_use]
    pub fn sees(&self, owner: UserId) -> bool {
        self.id == owner || self.role == UserRole::Admin
    }

    /// Whether who asks may publish and change things.
    #[must_use]
    pub const fn may_publish(&self) -> bool {
        matches!(self.role, UserRole::Admin | UserRole::User)
    }
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self { id: user.id, role: user.role }
    }
}
