//! The aggregates: one file each, for what is written in a unit of work and what is read from the pool.
//!
//! The rules that all share are here: a save is refused when the row was changed since it was read, and a delete is
//! a time in `deleted_at`.

mod agent;
mod api_key;
mod audit_log;
mod budget;
mod deployment;
mod deployment_revision;
mod execution;
mod execution_log;
mod idempotency;
mod schedule;
mod secret;
mod session;
mod step_run;
mod template;
mod usage;
mod user;
mod user_token;
mod waiting;
mod workflow;
mod workflow_step;

pub(crate) use budget::standings;
use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::{Alias, Expr, ExprTrait, Query, extension::postgres::PgExpr},
};
use turbocat_domain::{
    port::{RepositoryError, Result},
    value::{Search, Tag},
};
use uuid::Uuid;

use crate::{error::ErrorContext, store::Pg};

impl<C> Pg<C> {
    /// The connection, as long as nothing has failed on it.
    fn usable(&self) -> Result<&C> {
        if self.failed() { Err(RepositoryError::Aborted) } else { Ok(&self.conn) }
    }
}

/// Inserts rows.
async fn insert<'a, E, T>(conn: &impl ConnectionTrait, entity: &'static str, items: &'a [T]) -> Result<()>
where
    E: EntityTrait<Model: TryFrom<&'a T, Error = RepositoryError> + IntoActiveModel<E::ActiveModel>>,
{
    let rows = items
        .iter()
        .map(|item| E::Model::try_from(item).map(|row| row.into_active_model().reset_all()))
        .collect::<Result<Vec<_>>>()?;
    E::insert_many(rows).exec_without_returning(conn).await.about(entity).map(|_| ())
}

/// A row that was changed since it was read.
struct Change<A> {
    entity: &'static str,
    id: Uuid,
    /// When it had been changed last, as it was read.
    seen: NaiveDateTime,
    /// The columns to be written.
    model: A,
}

/// Saves a changed row, unless it was changed by somebody else meanwhile.
async fn save<A>(conn: &impl ConnectionTrait, change: Result<Change<A>>) -> Result<()>
where
    A: ActiveModelTrait,
{
    let change = change?;
    let saved = A::Entity::update_many()
        .set(change.model)
        .filter(Expr::col("id").eq(change.id))
        .filter(Expr::col("updated_at").eq(change.seen))
        .exec(conn)
        .await
        .about(change.entity)?;
    if saved.rows_affected == 1 { Ok(()) } else { Err(RepositoryError::Conflict { entity: change.entity }) }
}

/// Whether a row is to be hidden, or to be seen again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Hidden,
    Visible,
}

/// Deletes a row softly, or undoes that.
async fn mark<E: EntityTrait>(
    conn: &impl ConnectionTrait,
    (entity, id): (&'static str, Uuid),
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<()> {
    let now = now.naive_utc();
    let deleted_at = Some(now).filter(|_| visibility == Visibility::Hidden);
    let is_deleted = Expr::col("deleted_at").is_not_null();
    let statement = Query::update()
        .table(E::default())
        .values([("deleted_at", deleted_at.into()), ("updated_at", now.into())])
        .and_where(Expr::col("id").eq(id))
        .and_where(if visibility == Visibility::Hidden { is_deleted.not() } else { is_deleted })
        .to_owned();
    let marked = conn.execute(&statement).await.about(entity)?;
    if marked.rows_affected() == 1 { Ok(()) } else { Err(RepositoryError::NotFound { entity }) }
}

/// Whether a row has a tag; served by the index of tags.
fn has_tag(tags: impl ColumnTrait, tag: &Tag) -> Expr {
    let wanted = Expr::value(vec![tag.as_str().to_owned()]).cast_as(Alias::new("text[]"));
    Expr::col(tags).contains(wanted)
}

/// Whether all words of a search are found in a row, each in its name, its description or a tag.
fn is_found(search: &Search) -> Condition {
    has_words(search, "name, description, array_to_string(tags, chr(10))")
}

/// Whether all words of a search are found in a row, each in one of these columns.
fn has_words(search: &Search, columns: &str) -> Condition {
    let text = format!("lower(concat_ws(chr(10), {columns}))");
    let is_there = |word: &str| Expr::cust_with_values(format!("strpos({text}, $1) > 0"), [word]);
    search.words().fold(Condition::all(), |all, word| all.add(is_there(word)))
}

/// The row that must be there.
fn found<T>(row: Option<T>, entity: &'static str) -> Result<T> {
    row.ok_or(RepositoryError::NotFound { entity })
}
