//! Values of queries that have a form of their own.

use std::str::FromStr;

use turbocat_domain::{
    id::ParseIdError,
    port::Sort,
    value::{Search, Tag},
};

use crate::{Problem, page::refused};

/// An id that is looked for.
pub(super) fn id<T: FromStr<Err = ParseIdError>>(parameter: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: ParseIdError| refused(parameter, error.to_string()))
}

/// A tag that is looked for.
pub(super) fn tag(text: String) -> Result<Tag, Problem> {
    Tag::parse(text).map_err(|error| refused("tag", error.to_string()))
}

/// The order that is wanted; newest first without.
pub(super) fn sort(text: Option<&str>) -> Result<Sort, Problem> {
    let parsed = text.map(str::parse::<Sort>).transpose();
    parsed.map(Option::unwrap_or_default).map_err(|error| refused("sort", error.to_string()))
}

/// Words that are looked for.
pub(super) fn search(text: &str) -> Result<Search, Problem> {
    Search::parse(text).map_err(|error| refused("search", error.to_string()))
}
