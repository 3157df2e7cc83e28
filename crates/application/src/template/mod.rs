//! Templates: made, found, changed, rated, and used to make agents and workflows of one's own.

mod content;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use turbocat_domain::{
    id::TemplateId,
    permission::Permission,
    port::{Page, PageRequest, RepositoryError, TemplateFilter, UnitOfWork},
    problem::Problems,
    template::{Rating, Template, TemplateType},
};

use self::content::{checked, documents, files, with_change};
use crate::{
    Actor, Change, Error, PublishReport, Result, UseCases,
    audit::{Audited, Changes},
    library::{ensure_unchanged, missing, named},
};

const TEMPLATE: &str = "template";

/// A template that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateContent {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The shelf that it stands on.
    pub category: String,
    /// What it makes.
    pub kind: TemplateType,
    /// What is copied: the document of an agent, a step, or `workflow` with the `agents` that it needs.
    pub template_data: Value,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether everybody may use it.
    pub is_public: bool,
}

/// What is to be changed of a template; what is not there stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TemplateChange {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for; an empty text takes it away.
    pub description: Option<String>,
    /// The shelf that it stands on.
    pub category: Option<String>,
    /// What is copied.
    pub template_data: Option<Value>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// Whether everybody may use it.
    pub is_public: Option<bool>,
    /// When it was read: it is not changed if somebody else has since.
    pub read_at: Option<DateTime<Utc>>,
}

/// How a template is used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TemplateUse {
    /// What the agent or the workflow is to be called, if not as in the template.
    pub name: Option<String>,
    /// What is to be otherwise in its document: a JSON merge patch (RFC 7396).
    pub changes: Option<Value>,
}

/// What came of a use.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateCopy {
    /// What was published.
    Published(PublishReport),
    /// A step, to be put into a workflow.
    Step(Value),
}

impl UseCases {
    /// A page of templates: one's own, what is public and what comes with the platform; all, for an administrator.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn templates(&self, actor: Actor, filter: TemplateFilter, page: PageRequest) -> Result<Page<Template>> {
        actor.ensure(Permission::TemplatesRead)?;
        let visible_to = if actor.sees_all() { None } else { Some(actor.id) };
        Ok(self.ports.queries.templates().list(&TemplateFilter { visible_to, ..filter }, page).await?)
    }

    /// One template.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it is not for who asks.
    pub async fn template(&self, actor: Actor, id: TemplateId) -> Result<Template> {
        actor.ensure(Permission::TemplatesRead)?;
        let found = self.ports.queries.templates().get(id).await.map_err(|error| named(error, TEMPLATE, id))?;
        if actor.sees_all() || found.is_usable_by(actor.id) { Ok(found) } else { Err(missing(TEMPLATE, id)) }
    }

    /// Makes a template.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with all that is wrong with it.
    pub async fn create_template(&self, actor: Actor, content: TemplateContent) -> Result<Template> {
        actor.ensure(Permission::TemplatesWrite)?;
        let now = self.ports.clock.now();
        let template = checked(TemplateId::from_uuid(self.ports.ids.next()), content, now)?;
        let template = Template { user_id: Some(actor.id), ..template };
        let mut uow = self.ports.store.begin().await?;
        uow.templates().insert(std::slice::from_ref(&template)).await?;
        let changes = Changes::default().field("name", Value::Null, template.name.as_str());
        self.note_template(uow.as_mut(), (actor, "template.created", template.id), changes).await?;
        uow.commit().await?;
        Ok(template)
    }

    /// Changes a template of one's own.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Invalid`]; [`RepositoryError::Conflict`] in [`Error::Storage`] if it was changed
    /// since it was read.
    pub async fn change_template(&self, actor: Actor, id: TemplateId, change: TemplateChange) -> Result<Template> {
        actor.ensure(Permission::TemplatesWrite)?;
        let stored = self.own_template(actor, id).await?;
        ensure_unchanged(TEMPLATE, change.read_at, stored.updated_at)?;
        let now = self.ports.clock.now();
        let next = with_change(&stored, change, now)?;
        let changes = Changes::default()
            .field("name", stored.name.as_str(), next.name.as_str())
            .field("description", stored.description.clone(), next.description.clone())
            .field("category", stored.category.as_str(), next.category.as_str())
            .field("template_data", stored.template_data.clone(), next.template_data.clone())
            .field("tags", json!(stored.tags), json!(next.tags))
            .field("is_public", stored.is_public, next.is_public);
        let mut uow = self.ports.store.begin().await?;
        uow.templates().save(&next, now).await?;
        self.note_template(uow.as_mut(), (actor, "template.updated", id), changes).await?;
        uow.commit().await?;
        self.template(actor, id).await
    }

    /// Deletes a template of one's own: nobody finds it any more. What was made of it stays.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn delete_template(&self, actor: Actor, id: TemplateId, read_at: Option<DateTime<Utc>>) -> Result<()> {
        actor.ensure(Permission::TemplatesWrite)?;
        let stored = self.own_template(actor, id).await?;
        ensure_unchanged(TEMPLATE, read_at, stored.updated_at)?;
        let mut uow = self.ports.store.begin().await?;
        let now = self.ports.clock.now();
        if read_at.is_some() {
            // It holds the row, and is refused if somebody was faster.
            uow.templates().save(&stored, now).await?;
        }
        uow.templates().delete(id, now).await.map_err(|error| named(error, TEMPLATE, id))?;
        self.note_template(uow.as_mut(), (actor, "template.deleted", id), Changes::default()).await?;
        Ok(uow.commit().await?)
    }

    /// Undoes a delete.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none of one's own that was deleted.
    pub async fn restore_template(&self, actor: Actor, id: TemplateId) -> Result<Template> {
        actor.ensure(Permission::TemplatesWrite)?;
        let found = self.ports.queries.templates().get_deleted(id).await.map_err(|error| named(error, TEMPLATE, id))?;
        if !(actor.sees_all() || found.user_id == Some(actor.id)) {
            return Err(missing(TEMPLATE, id));
        }
        let mut uow = self.ports.store.begin().await?;
        let now = self.ports.clock.now();
        uow.templates().restore(id, now).await.map_err(|error| named(error, TEMPLATE, id))?;
        self.note_template(uow.as_mut(), (actor, "template.restored", id), Changes::default()).await?;
        uow.commit().await?;
        self.template(actor, id).await
    }

    /// Gives a template 1 to 5 stars, in place of those that one gave before.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Invalid`] for another number, or for one's own template.
    pub async fn rate_template(&self, actor: Actor, id: TemplateId, stars: u8) -> Result<Template> {
        actor.ensure(Permission::TemplatesWrite)?;
        let template = self.template(actor, id).await?;
        let mut problems = Problems::default();
        if !(1..=Rating::STARS_MAX).contains(&stars) {
            problems.add("out_of_range", "stars", format!("it needs 1 to {} stars", Rating::STARS_MAX));
        }
        if template.user_id == Some(actor.id) {
            problems.add("own_template", "", "nobody rates a template of their own");
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.templates().rate(id, (actor.id, stars), now).await.map_err(|error| named(error, TEMPLATE, id))?;
        let changes = Changes::default().field("stars", Value::Null, stars);
        self.note_template(uow.as_mut(), (actor, "template.rated", id), changes).await?;
        uow.commit().await?;
        self.template(actor, id).await
    }

    /// Makes an agent or a workflow of a template, active at once; a step is only given back. Nothing of one's own is
    /// changed by it: what has the name already must be the same, or another name is to be chosen.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Documents`] if the changed document is not valid;
    /// [`RepositoryError::AlreadyExists`] in [`Error::Storage`] if something else has the name.
    pub async fn use_template(&self, actor: Actor, id: TemplateId, wanted: TemplateUse) -> Result<TemplateCopy> {
        let template = self.template(actor, id).await?;
        let documents = documents(&template, wanted);
        let uow = self.ports.store.begin().await?;
        let (mut uow, copy) = if template.kind == TemplateType::Step {
            (uow, TemplateCopy::Step(documents.into_iter().next().unwrap_or_default()))
        } else {
            let (uow, report) = self.publish_into(uow, actor, &files(&documents)).await?;
            if let Some(changed) = report.published.iter().find(|one| one.change == Change::Updated) {
                tracing::debug!(changed.name, "a template would change what is there");
                return Err(RepositoryError::AlreadyExists { entity: changed.kind.as_str() }.into());
            }
            (uow, TemplateCopy::Published(report))
        };
        uow.templates().count_use(id).await.map_err(|error| named(error, TEMPLATE, id))?;
        self.note_template(uow.as_mut(), (actor, "template.used", id), Changes::default()).await?;
        uow.commit().await?;
        Ok(copy)
    }

    async fn own_template(&self, actor: Actor, id: TemplateId) -> Result<Template> {
        let found = self.template(actor, id).await?;
        if actor.sees_all() || found.user_id == Some(actor.id) { Ok(found) } else { Err(missing(TEMPLATE, id)) }
    }

    async fn note_template(
        &self,
        uow: &mut dyn UnitOfWork,
        (actor, action, id): (Actor, &'static str, TemplateId),
        changes: Changes,
    ) -> Result<()> {
        let (user, resource) = (Some(actor.id), Some(id.as_uuid()));
        let entry = Audited { user, action, resource_type: TEMPLATE, resource, changes };
        self.note(uow, entry, self.ports.clock.now()).await
    }
}
