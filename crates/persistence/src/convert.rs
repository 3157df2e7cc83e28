//! Between what rows hold and what the domain holds. Total in both directions: what does not fit is an error.

use std::{error::Error, str::FromStr};

use chrono::{DateTime, NaiveDateTime, Utc};
use turbocat_domain::port::{RepositoryError, Result};

use crate::error::unstorable;

/// Reads the columns of a row of this entity.
#[derive(Clone, Copy)]
pub(crate) struct Read(pub(crate) &'static str);

impl Read {
    /// A row that cannot be read, and why.
    pub(crate) fn corrupt(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> RepositoryError {
        RepositoryError::Corrupt { entity: self.0, source: source.into() }
    }

    /// A value with a text form.
    pub(crate) fn text<T>(self, text: impl AsRef<str>) -> Result<T>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        text.as_ref().parse().map_err(|error: T::Err| self.corrupt(error))
    }

    /// A value with a text form that may be missing.
    pub(crate) fn text_opt<T>(self, text: Option<String>) -> Result<Option<T>>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        text.map(|text| self.text(text)).transpose()
    }

    /// A list of values with a text form.
    pub(crate) fn texts<T>(self, texts: Vec<String>) -> Result<Vec<T>>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        texts.into_iter().map(|text| self.text(text)).collect()
    }

    /// A number in the domain's range.
    pub(crate) fn number<T, U>(self, number: T) -> Result<U>
    where
        U: TryFrom<T, Error: Error + Send + Sync + 'static>,
    {
        U::try_from(number).map_err(|error| self.corrupt(error))
    }

    /// A number in the domain's range that may be missing.
    pub(crate) fn number_opt<T, U>(self, number: Option<T>) -> Result<Option<U>>
    where
        U: TryFrom<T, Error: Error + Send + Sync + 'static>,
    {
        number.map(|number| self.number(number)).transpose()
    }

    /// A column that must have a value in this place.
    pub(crate) fn required<T>(self, value: Option<T>, column: &'static str) -> Result<T> {
        value.ok_or_else(|| self.corrupt(format!("`{column}` is missing")))
    }
}

/// A number in the range of its column.
pub(crate) fn fit<T, U>(number: T) -> Result<U>
where
    U: TryFrom<T, Error: Error + Send + Sync + 'static>,
{
    U::try_from(number).map_err(unstorable)
}

/// A number in the range of its column that may be missing.
pub(crate) fn fit_opt<T, U>(number: Option<T>) -> Result<Option<U>>
where
    U: TryFrom<T, Error: Error + Send + Sync + 'static>,
{
    number.map(fit).transpose()
}

/// A time as the columns hold it.
pub(crate) fn stored(time: Option<DateTime<Utc>>) -> Option<NaiveDateTime> {
    time.map(|time| time.naive_utc())
}

/// A time as the domain holds it.
pub(crate) fn utc(time: Option<NaiveDateTime>) -> Option<DateTime<Utc>> {
    time.map(|time| time.and_utc())
}

/// The texts of a list of values.
pub(crate) fn words<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use turbocat_domain::agent::AgentType;

    use super::*;

    #[test]
    fn what_cannot_be_read_names_its_entity_and_the_reason() {
        let error = Read("agent").text::<AgentType>("bogus").unwrap_err();

        assert_eq!(error.to_string(), "a stored agent cannot be read");
        assert!(error.source().unwrap().to_string().starts_with("`bogus` is not an agent type"));
        assert!(matches!(Read("agent").number::<i32, u32>(-1), Err(RepositoryError::Corrupt { entity: "agent", .. })));
    }

    #[test]
    fn a_number_past_its_column_is_refused() {
        assert_eq!(fit::<u32, i32>(7).unwrap(), 7);
        assert!(fit::<u32, i32>(u32::MAX).is_err());
    }
}
