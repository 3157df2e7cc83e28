//! Keyset pages: a list is read from where the last page ended, never by offset.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::value::text_enum;

/// Where a page ended: the creation time and the id of its last item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the last item was created.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// Which page is asked for. Lists are ordered newest first, logs oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items, 1 to 200.
    pub limit: u16,
    /// Where the page before ended; `None` for the first.
    pub after: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, after: None }
    }
}

text_enum! {
    /// What a list is sorted by; its text form is the field's, and the column's.
    #[derive(Default)]
    pub enum SortField: "a field to sort by" {
        /// When it was made.
        #[default]
        CreatedAt = "created_at",
        /// When it was last changed.
        UpdatedAt = "updated_at",
        /// What it is called.
        Name = "name",
    }
}

/// In which order a list is; what is alike in that is in the order of the ids. A page begins behind the item that the one
/// before ended with, as that stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    /// By which field.
    pub by: SortField,
    /// The smallest first, in place of the largest.
    pub ascending: bool,
}

/// A text says no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no order: there are created_at, updated_at and name, and the same with a `-` before them")]
pub struct ParseSortError {
    /// What was given.
    pub text: String,
}

impl FromStr for Sort {
    type Err = ParseSortError;

    /// Reads the name of a field, or `-` and the name for the largest first.
    fn from_str(text: &str) -> Result<Self, ParseSortError> {
        let (field, ascending) = text.strip_prefix('-').map_or((text, true), |field| (field, false));
        let by = field.parse().map_err(|_| ParseSortError { text: text.chars().take(100).collect() })?;
        Ok(Self { by, ascending })
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_field_or_the_same_backwards() {
        assert_eq!("name".parse(), Ok(Sort { by: SortField::Name, ascending: true }));
        assert_eq!("-created_at".parse(), Ok(Sort::default()));
        for wrong in ["", "-", "--name", "user_id", "name;", "Name"] {
            assert_eq!(wrong.parse::<Sort>(), Err(ParseSortError { text: wrong.to_owned() }));
        }
    }
}
