//! The templates.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    IntoActiveModel, Order, QueryFilter, QueryOrder, prelude::Decimal,
};
use turbocat_domain::{
    id::{TemplateId, UserId},
    port::{Page, PageRequest, RepositoryError, Result, TemplateFilter, TemplateQueries, TemplateRepository},
    template::{Rating, Template},
};

use super::{Change, Visibility, found, has_tag, insert, is_found, mark, save};
use crate::{
    convert::{Read, fit, stored, utc, words},
    entity::template::{ActiveModel, Column, Entity, Model},
    error::ErrorContext,
    page::Listing,
    sql,
    store::Pg,
};

const ENTITY: &str = "template";

const RATING_SCALE: u32 = 2;

#[async_trait]
impl<C: ConnectionTrait + Send> TemplateRepository for Pg<C> {
    #[tracing::instrument(name = "db.templates.insert", skip_all, err(level = "debug"))]
    async fn insert(&mut self, templates: &[Template]) -> Result<()> {
        self.settle(insert::<Entity, _>(self.usable()?, ENTITY, templates).await)
    }

    #[tracing::instrument(name = "db.templates.save", skip_all, err(level = "debug"))]
    async fn save(&mut self, template: &Template, now: DateTime<Utc>) -> Result<()> {
        self.settle(save(self.usable()?, change(template, now)).await)
    }

    #[tracing::instrument(name = "db.templates.delete", skip_all, err(level = "debug"))]
    async fn delete(&mut self, id: TemplateId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Hidden, now).await)
    }

    #[tracing::instrument(name = "db.templates.restore", skip_all, err(level = "debug"))]
    async fn restore(&mut self, id: TemplateId, now: DateTime<Utc>) -> Result<()> {
        self.settle(mark::<Entity>(self.usable()?, (ENTITY, id.as_uuid()), Visibility::Visible, now).await)
    }

    #[tracing::instrument(name = "db.templates.count_use", skip_all, err(level = "debug"))]
    async fn count_use(&mut self, id: TemplateId) -> Result<()> {
        self.settle(count_use(self.usable()?, id).await)
    }

    #[tracing::instrument(name = "db.templates.rate", skip_all, err(level = "debug"))]
    async fn rate(&mut self, id: TemplateId, rating: (UserId, u8), now: DateTime<Utc>) -> Result<()> {
        self.settle(rate(self.usable()?, id, rating, now).await)
    }
}

async fn count_use(conn: &impl ConnectionTrait, id: TemplateId) -> Result<()> {
    is_there(conn.execute_raw(sql::count_template_use(id.as_uuid())).await.about(ENTITY)?.rows_affected())
}

async fn rate(
    conn: &impl ConnectionTrait,
    id: TemplateId,
    (user, stars): (UserId, u8),
    now: DateTime<Utc>,
) -> Result<()> {
    let statement = sql::rate_template(id.as_uuid(), user.as_uuid(), i16::from(stars), now.naive_utc());
    is_there(conn.execute_raw(statement).await.about(ENTITY)?.rows_affected())?;
    conn.execute_raw(sql::fold_template_ratings(id.as_uuid())).await.about(ENTITY).map(|_| ())
}

/// What a statement about one template has not touched is not there.
fn is_there(rows: u64) -> Result<()> {
    if rows == 0 { Err(RepositoryError::NotFound { entity: ENTITY }) } else { Ok(()) }
}

#[async_trait]
impl<C: ConnectionTrait + Send> TemplateQueries for Pg<C> {
    async fn get(&self, id: TemplateId) -> Result<Template> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn get_deleted(&self, id: TemplateId) -> Result<Template> {
        let query = Entity::find_by_id(id.as_uuid()).filter(Column::DeletedAt.is_not_null());
        found(query.one(&self.conn).await.about(ENTITY)?, ENTITY)?.try_into()
    }

    async fn find_official<'a>(&self, name: &'a str) -> Result<Option<Template>> {
        let query = Entity::find()
            .filter(Column::Name.eq(name))
            .filter(Column::IsOfficial.eq(true))
            .filter(Column::DeletedAt.is_null())
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id);
        query.one(&self.conn).await.about(ENTITY)?.map(TryInto::try_into).transpose()
    }

    async fn list(&self, filter: &TemplateFilter, page: PageRequest) -> Result<Page<Template>> {
        let mut query = Entity::find();
        if let Some(category) = &filter.category {
            query = query.filter(Column::Category.eq(category.as_str()));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(Column::Kind.eq(kind.as_str()));
        }
        if filter.official_only {
            query = query.filter(Column::IsOfficial.eq(true));
        }
        if let Some(user) = filter.visible_to {
            let is_own = Column::UserId.eq(user.as_uuid());
            let is_shown = Condition::all().add(Column::IsPublic.eq(true)).add(Column::DeletedAt.is_null());
            query = query.filter(Condition::any().add(is_shown).add(is_own));
        }
        if let Some(tag) = &filter.tag {
            query = query.filter(has_tag(Column::Tags, tag));
        }
        if let Some(search) = &filter.search {
            query = query.filter(is_found(search));
        }
        if !filter.with_deleted {
            query = query.filter(Column::DeletedAt.is_null());
        }
        listing().sorted_page(&self.conn, query, (page, filter.sort)).await
    }
}

fn listing() -> Listing<Entity> {
    Listing {
        entity: ENTITY,
        columns: (Column::CreatedAt, Column::Id),
        key: |row| (row.created_at, row.id),
        order: Order::Desc,
    }
}

fn change(template: &Template, now: DateTime<Utc>) -> Result<Change<ActiveModel>> {
    let row = Model::try_from(template)?;
    let (id, seen) = (row.id, row.updated_at);
    let model = ActiveModel {
        id: NotSet,
        usage_count: NotSet,
        rating_average: NotSet,
        rating_count: NotSet,
        created_at: NotSet,
        updated_at: Set(now.naive_utc()),
        deleted_at: NotSet,
        ..row.into_active_model().reset_all()
    };
    Ok(Change { entity: ENTITY, id, seen, model })
}

impl TryFrom<&Template> for Model {
    type Error = RepositoryError;

    fn try_from(template: &Template) -> Result<Self> {
        Ok(Self {
            id: template.id.as_uuid(),
            name: template.name.to_string(),
            description: template.description.clone(),
            category: template.category.to_string(),
            kind: template.kind.to_string(),
            user_id: template.user_id.map(UserId::as_uuid),
            template_data: template.template_data.clone(),
            tags: words(&template.tags),
            is_official: template.is_official,
            is_public: template.is_public,
            usage_count: fit(template.usage_count)?,
            rating_average: Decimal::new(i64::from(template.rating_average.hundredths()), RATING_SCALE),
            rating_count: fit(template.rating_count)?,
            created_at: template.created_at.naive_utc(),
            updated_at: template.updated_at.naive_utc(),
            deleted_at: stored(template.deleted_at),
        })
    }
}

impl TryFrom<Model> for Template {
    type Error = RepositoryError;

    fn try_from(row: Model) -> Result<Self> {
        let read = Read(ENTITY);
        Ok(Self {
            id: TemplateId::from_uuid(row.id),
            name: read.text(row.name)?,
            description: row.description,
            category: read.text(row.category)?,
            kind: read.text(row.kind)?,
            user_id: row.user_id.map(UserId::from_uuid),
            template_data: row.template_data,
            tags: read.texts(row.tags)?,
            is_official: row.is_official,
            is_public: row.is_public,
            usage_count: read.number(row.usage_count)?,
            rating_average: rating(row.rating_average)?,
            rating_count: read.number(row.rating_count)?,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
            deleted_at: utc(row.deleted_at),
        })
    }
}

/// An average in its column's hundredths.
fn rating(mut average: Decimal) -> Result<Rating> {
    average.rescale(RATING_SCALE);
    let hundredths = Read(ENTITY).number(average.mantissa())?;
    Rating::from_hundredths(hundredths).map_err(|error| Read(ENTITY).corrupt(error))
}
