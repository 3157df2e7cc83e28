//! Keyset pages over what lies in memory.

use turbocat_domain::port::{Cursor, Page, PageRequest};

/// Sorts the items, newest first, and cuts the page out of them.
pub(super) fn newest_first<T>(
    items: impl Iterator<Item = T>,
    cursor: impl Fn(&T) -> Cursor,
    page: PageRequest,
) -> Page<T> {
    let key = |cursor: Cursor| (cursor.created_at, cursor.id);
    let mut items: Vec<T> = items.filter(|item| page.after.is_none_or(|end| key(cursor(item)) < key(end))).collect();
    items.sort_by_key(|item| std::cmp::Reverse(key(cursor(item))));
    finish(items, cursor, page)
}

/// Makes a page of items that are in order and begin where it begins.
pub(super) fn finish<T>(mut items: Vec<T>, cursor: impl Fn(&T) -> Cursor, page: PageRequest) -> Page<T> {
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next }
}
