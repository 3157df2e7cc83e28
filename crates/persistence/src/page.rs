//! Keyset pages: a comparison of `(created_at, id)` with where the last page ended.

use chrono::NaiveDateTime;
use sea_orm::{
    ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use turbocat_domain::port::{Cursor, Page, PageRequest, RepositoryError, Result};
use uuid::Uuid;

use crate::error::ErrorContext;

/// The most items of a page, whatever was asked for.
pub(crate) const LIMIT_MAX: u16 = 200;

/// How a table is listed.
pub(crate) struct Listing<E: EntityTrait> {
    /// What its errors call it.
    pub(crate) entity: &'static str,
    /// The columns of the creation time and of the id.
    pub(crate) columns: (E::Column, E::Column),
    /// The same two, of a row.
    pub(crate) key: fn(&E::Model) -> (NaiveDateTime, Uuid),
    /// Descending for newest first.
    pub(crate) order: Order,
}

impl<E> Listing<E>
where
    E: EntityTrait<Model: FromQueryResult + Send + Sync>,
{
    /// Reads one page of a query.
    pub(crate) async fn page<T>(
        self,
        conn: &impl ConnectionTrait,
        query: Select<E>,
        request: PageRequest,
    ) -> Result<Page<T>>
    where
        T: TryFrom<E::Model, Error = RepositoryError>,
    {
        let limit = request.limit.clamp(1, LIMIT_MAX);
        let query = match request.after {
            Some(cursor) => query.filter(self.beyond(cursor)),
            None => query,
        };
        let mut rows = query
            .order_by(self.columns.0, self.order.clone())
            .order_by(self.columns.1, self.order)
            .limit(u64::from(limit) + 1)
            .all(conn)
            .await
            .about(self.entity)?;
        let has_more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let next = rows.last().filter(|_| has_more).map(self.key);
        Ok(Page {
            items: rows.into_iter().map(T::try_from).collect::<Result<_>>()?,
            next: next.map(|(created_at, id)| Cursor { created_at: created_at.and_utc(), id }),
        })
    }

    fn beyond(&self, cursor: Cursor) -> Expr {
        let columns = Expr::tuple([Expr::col(self.columns.0), Expr::col(self.columns.1)]);
        let end = Expr::tuple([Expr::value(cursor.created_at.naive_utc()), Expr::value(cursor.id)]);
        match self.order {
            Order::Asc => columns.gt(end),
            _ => columns.lt(end),
        }
    }
}
