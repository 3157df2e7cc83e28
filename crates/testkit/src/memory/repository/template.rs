//! The templates, in a unit of work.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::{TemplateId, UserId},
    port::{RepositoryError, Result, TemplateRepository},
    template::{Rating, Template},
    value::SoftDelete,
};

use super::super::unit_of_work::MemoryUnitOfWork;

const MISSING: RepositoryError = RepositoryError::NotFound { entity: "template" };

#[async_trait]
impl TemplateRepository for MemoryUnitOfWork {
    async fn insert(&mut self, templates: &[Template]) -> Result<()> {
        let templates = templates.to_vec();
        self.apply(move |tables| tables.insert(&templates))
    }

    async fn save(&mut self, template: &Template, now: DateTime<Utc>) -> Result<()> {
        let template = template.clone();
        self.apply(move |tables| tables.save(&template, now))
    }

    async fn delete(&mut self, id: TemplateId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.delete::<Template>(id, now))
    }

    async fn restore(&mut self, id: TemplateId, now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| tables.restore::<Template>(id, now))
    }

    async fn count_use(&mut self, id: TemplateId) -> Result<()> {
        self.apply(move |tables| {
            tables.templates.get(id).filter(|template| !template.is_deleted()).ok_or(MISSING)?;
            tables.templates.change(id, |template| template.usage_count += 1);
            Ok(())
        })
    }

    async fn rate(&mut self, id: TemplateId, (user, stars): (UserId, u8), _now: DateTime<Utc>) -> Result<()> {
        self.apply(move |tables| {
            tables.templates.get(id).filter(|template| !template.is_deleted()).ok_or(MISSING)?;
            if !tables.users.contains(user) || !(1..=Rating::STARS_MAX).contains(&stars) {
                return Err(RepositoryError::BrokenReference { entity: "template" });
            }
            Arc::make_mut(&mut tables.ratings).insert((id, user), stars);
            let all =
                tables.ratings.iter().filter(|((template, _), _)| *template == id).map(|(_, stars)| u64::from(*stars));
            let (sum, count) = all.fold((0, 0_u32), |(sum, count), stars| (sum + stars, count + 1));
            tables.templates.change(id, |template| {
                template.rating_average = Rating::average(sum, count);
                template.rating_count = count;
            });
            Ok(())
        })
    }
}
