//! Pages of lists: keyset cursors that clients hand back as they got them.

use chrono::DateTime;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use turbocat_domain::port::{Cursor, Page, PageRequest};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{FieldError, Problem, ProblemCode};

/// The first byte of a cursor: what another version would write is not misread.
const VERSION: u8 = 1;
const LIMIT_MAX: u16 = 200;
/// The first and the last moment that a cursor may name: the years 1 to 9999. No database holds all that 64 bits hold.
const MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Which page is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The most items, 50 without.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u16>,
    /// Where the page before ended: its `next`.
    #[param(max_length = 64)]
    pub(crate) after: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PageView<T> {
    /// Its items.
    pub(crate) items: Vec<T>,
    /// Where the next page starts: `after` of the next request. Null on the last.
    pub(crate) next: Option<String>,
}

impl<T> PageView<T> {
    /// A page as clients see it.
    pub(crate) fn of<U>(page: Page<U>) -> Self
    where
        T: From<U>,
    {
        Self { items: page.items.into_iter().map(T::from).collect(), next: page.next.map(write) }
    }
}

impl<T> PageView<T> {
    /// The same with its items changed.
    pub(crate) fn map(self, change: impl FnMut(T) -> T) -> Self {
        Self { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// The page that is asked for.
pub(crate) fn request(limit: Option<u16>, after: Option<&str>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(PageRequest::default().limit);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(refused("limit", format!("it must be from 1 to {LIMIT_MAX}")));
    }
    let after = match after {
        Some(text) => Some(
            read(text).ok_or_else(|| refused("after", "it is no cursor: use `next` of the page before".to_owned()))?,
        ),
        None => None,
    };
    Ok(PageRequest { limit, after })
}

impl PageQuery {
    /// The page that is asked for.
    pub(crate) fn request(&self) -> Result<PageRequest, Problem> {
        request(self.limit, self.after.as_deref())
    }
}

/// A parameter of a query that is not valid.
pub(crate) fn refused(parameter: &str, message: String) -> Problem {
    let error = FieldError { pointer: parameter.to_owned(), code: "invalid_parameter".to_owned(), message };
    Problem::new(ProblemCode::InvalidQuery).with_errors(&[error])
}

/// A cursor as text.
pub(crate) fn write(cursor: Cursor) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&cursor.created_at.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(cursor.id.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

/// A cursor that was written here; nothing for another text.
pub(crate) fn read(text: &str) -> Option<Cursor> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (micros, id) = rest.split_first_chunk::<8>()?;
    let micros = i64::from_be_bytes(*micros);
    if *version != VERSION || !MICROS.contains(&micros) {
        return None;
    }
    let created_at = DateTime::from_timestamp_micros(micros)?;
    Some(Cursor { created_at, id: Uuid::from_bytes(<[u8; 16]>::try_from(id).ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_another_text_is_none() {
        let created_at = DateTime::from_timestamp_micros(1_767_225_600_123_456).unwrap();
        let cursor = Cursor { created_at, id: Uuid::from_u128(7) };
        let text = write(cursor);

        assert_eq!(read(&text), Some(cursor));
        for other in ["", "AQ", &text[1..], &format!("{text}A"), "' OR 1=1 --", "ä", &"A".repeat(34)] {
            assert_eq!(read(other), None, "{other}");
        }
        for created_at in [DateTime::<chrono::Utc>::MIN_UTC, DateTime::<chrono::Utc>::MAX_UTC] {
            assert_eq!(read(&write(Cursor { created_at, ..cursor })), None, "no database knows {created_at}");
        }
    }

    #[test]
    fn a_page_has_1_to_200_items() {
        assert_eq!(request(None, None).unwrap().limit, 50);
        assert!(request(Some(1), None).is_ok() && request(Some(200), None).is_ok());
        assert!(request(Some(0), None).is_err() && request(Some(201), None).is_err());
        assert!(request(None, Some("x")).is_err());
    }
}
