//! Reads users.

use async_trait::async_trait;
use turbocat_domain::{
    id::UserId,
    port::{Page, PageRequest, Result, UserFilter, UserQueries},
    user::User,
    value::{Email, Name, SoftDelete},
};

use super::{super::MemoryStore, is_wanted};

#[async_trait]
impl UserQueries for MemoryStore {
    async fn get(&self, id: UserId) -> Result<User> {
        self.tables().read_live(id)
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>> {
        Ok(self.tables().users.rows().find(|user| user.email == *email && !user.is_deleted()).cloned())
    }

    async fn list(&self, filter: &UserFilter, page: PageRequest) -> Result<Page<User>> {
        let is_listed = |user: &User| {
            let names = || [user.email.as_str()].into_iter().chain(user.full_name.as_ref().map(Name::as_str));
            is_wanted(filter.role.as_ref(), &user.role)
                && is_wanted(filter.active.as_ref(), &user.is_active)
                && filter.search.as_ref().is_none_or(|search| search.finds(names()))
        };
        Ok(self.tables().list(page, filter.with_deleted, is_listed))
    }
}
