//! Reads templates.

use async_trait::async_trait;
use turbocat_domain::{
    id::TemplateId,
    port::{Page, PageRequest, RepositoryError, Result, TemplateFilter, TemplateQueries},
    template::Template,
    value::SoftDelete,
};

use super::{super::MemoryStore, has_tag, is_found, is_wanted};

#[async_trait]
impl TemplateQueries for MemoryStore {
    async fn get(&self, id: TemplateId) -> Result<Template> {
        self.tables().read_live(id)
    }

    async fn get_deleted(&self, id: TemplateId) -> Result<Template> {
        let found: Template = self.tables().read(id)?;
        if found.is_deleted() { Ok(found) } else { Err(RepositoryError::NotFound { entity: "template" }) }
    }

    async fn find_official<'a>(&self, name: &'a str) -> Result<Option<Template>> {
        let tables = self.tables();
        let named = tables.templates.rows().filter(|template| template.name.as_str() == name);
        let official = named.filter(|template| template.is_official && !template.is_deleted());
        Ok(official.max_by_key(|template| (template.created_at, template.id)).cloned())
    }

    async fn list(&self, filter: &TemplateFilter, page: PageRequest) -> Result<Page<Template>> {
        let is_listed = |template: &Template| {
            filter.category.as_deref().is_none_or(|category| category == template.category.as_str())
                && is_wanted(filter.kind.as_ref(), &template.kind)
                && (template.is_official || !filter.official_only)
                && filter
                    .visible_to
                    .is_none_or(|user| (template.is_public && !template.is_deleted()) || template.user_id == Some(user))
                && has_tag(filter.tag.as_ref(), &template.tags)
                && is_found(filter.search.as_ref(), (&template.name, template.description.as_deref(), &template.tags))
        };
        Ok(self.tables().list_sorted((page, filter.sort), filter.with_deleted, is_listed))
    }
}
