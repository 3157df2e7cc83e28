//! Keyset pages: a comparison of `(created_at, id)` with where the last page ended.

use chrono::NaiveDateTime;
use sea_orm::{
    ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use turbocat_domain::port::{Cursor, Page, PageRequest, RepositoryError, Result, Sort};
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
        finished::<E, T>(self.key, rows, has_more)
    }

    /// Reads one page of a query in another order. Where it begins is read from the row that the page before ended with.
    pub(crate) async fn sorted_page<T>(
        self,
        conn: &impl ConnectionTrait,
        query: Select<E>,
        (request, sort): (PageRequest, Sort),
    ) -> Result<Page<T>>
    where
        T: TryFrom<E::Model, Error = RepositoryError>,
    {
        if sort == Sort::default() {
            return self.page(conn, query, request).await;
        }
        let limit = request.limit.clamp(1, LIMIT_MAX);
        let (order, beyond) = if sort.ascending { (Order::Asc, '>') } else { (Order::Desc, '<') };
        let (field, entity) = (sort.by.as_str(), E::default());
        let query = match request.after {
            Some(Cursor { id, .. }) => {
                let table = entity.table_name();
                let end = format!("({field}, id) {beyond} (SELECT {field}, id FROM {table} WHERE id = $1)");
                query.filter(Expr::cust_with_values(end, [id]))
            }
            None => query,
        };
        let mut rows = query
            .order_by(Expr::cust(field), order.clone())
            .order_by(self.columns.1, order)
            .limit(u64::from(limit) + 1)
            .all(conn)
            .await
            .about(self.entity)?;
        let has_more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        finished::<E, T>(self.key, rows, has_more)
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

/// What was read, with where it ended if there is more.
fn finished<E, T>(key: fn(&E::Model) -> (NaiveDateTime, Uuid), rows: Vec<E::Model>, has_more: bool) -> Result<Page<T>>
where
    E: EntityTrait,
    T: TryFrom<E::Model, Error = RepositoryError>,
{
    let next = rows.last().filter(|_| has_more).map(key);
    Ok(Page {
        items: rows.into_iter().map(T::try_from).collect::<Result<_>>()?,
        next: next.map(|(created_at, id)| Cursor { created_at: created_at.and_utc(), id }),
    })
}
