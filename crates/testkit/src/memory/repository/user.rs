//! The users, in a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::UserId,
    port::{Result, UserRepository},
    user::User,
};

use super::super::unit_of_work::MemoryUnitOfWork;

#[async_trait]
impl UserRepository for MemoryUnitOfWork {
    async fn insert(&mut self, user: &User) -> Result<()> {
        let user = user.clone();
        self.apply(move |tables| tables.insert(std::slice::from_ref(&user)))
    }

    async fn save(&mut self, user: &User, now: DateTime<Utc>) -> Result<()> {
        let user = user.clone();
        self.apply(move |tables| tables.save(&user, now))
    }

    async fn delete(&mut self, id: UserId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.delete::<User>(id, now))
    }

    async fn restore(&mut self, id: UserId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.restore::<User>(id, now))
    }
}
