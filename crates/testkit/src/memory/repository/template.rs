//! The templates, in a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use turbocat_domain::{
    id::TemplateId,
    port::{Result, TemplateRepository},
    template::Template,
};

use super::super::unit_of_work::MemoryUnitOfWork;

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
}
