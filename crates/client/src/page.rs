//! Lists: a page, and all pages as one stream.

use std::collections::VecDeque;

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};

use crate::Error;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next page starts; nothing on the last.
    pub next: Option<String>,
}

/// A question that is answered page by page.
pub trait Paged: Clone {
    /// Asks for the page that begins there.
    fn set_after(&mut self, after: String);
}

/// All items, page after page, each asked for when the one before is used up. It ends with the first error.
pub(crate) fn all<Q, T, F>(query: Q, fetch: impl FnMut(Q) -> F) -> impl Stream<Item = Result<T, Error>>
where
    Q: Paged,
    F: Future<Output = Result<Page<T>, Error>>,
{
    let begin = (Some(query), VecDeque::new(), fetch);
    stream::unfold(begin, |(mut query, mut items, mut fetch)| async move {
        loop {
            if let Some(item) = items.pop_front() {
                return Some((Ok(item), (query, items, fetch)));
            }
            let mut asked = query.take()?;
            match fetch(asked.clone()).await {
                Ok(page) => {
                    items = page.items.into();
                    query = page.next.map(|next| {
                        asked.set_after(next);
                        asked
                    });
                }
                Err(error) => return Some((Err(error), (None, items, fetch))),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Query(Option<String>);

    impl Paged for Query {
        fn set_after(&mut self, after: String) {
            self.0 = Some(after);
        }
    }

    #[tokio::test]
    async fn all_pages_are_one_stream_also_past_an_empty_one() {
        let pages = |Query(after)| async move {
            let (items, next) = match after.as_deref() {
                None => (vec![1, 2], Some("b")),
                Some("b") => (vec![], Some("c")),
                _ => (vec![3], None),
            };
            Ok(Page { items, next: next.map(str::to_owned) })
        };

        let all: Vec<_> = all(Query::default(), pages).map(Result::unwrap).collect().await;
        assert_eq!(all, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_stream_of_pages_ends_with_its_first_error() {
        let pages = |Query(after)| async move {
            match after {
                None => Ok(Page { items: vec![1], next: Some("b".to_owned()) }),
                Some(_) => Err(Error::NoRandomness),
            }
        };

        let all: Vec<_> = all(Query::default(), pages).map(|item| item.is_ok()).collect().await;
        assert_eq!(all, [true, false]);
    }
}
