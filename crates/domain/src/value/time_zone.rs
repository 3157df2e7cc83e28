//! Time zones.

use chrono_tz::Tz;

use super::text_conversions;

/// A time zone of the IANA database: `Europe/Berlin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(Tz);

/// Why a text is not a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time zone: expected a name of the IANA database like `UTC` or `Europe/Berlin`")]
pub struct InvalidTimeZone {
    /// What was given, cut if it is long.
    pub text: String,
}

impl TimeZone {
    /// Coordinated universal time, the default.
    pub const UTC: Self = Self(Tz::UTC);

    /// The longest name, in characters.
    pub const CHARS_MAX: usize = 50;

    /// Parses the name of a zone, in the spelling of the database.
    ///
    /// # Errors
    ///
    /// [`InvalidTimeZone`] if the database has no such zone.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidTimeZone> {
        let text = text.into();
        text.parse().map(Self).map_err(|_| InvalidTimeZone { text: super::excerpt(&text) })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.0.name()
    }

    /// The zone, to compute local times with.
    #[must_use]
    pub const fn tz(self) -> Tz {
        self.0
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self::UTC
    }
}

text_conversions!(TimeZone, InvalidTimeZone);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(TimeZone, "(Europe|America)/[A-Z][a-z]{3,6}");

    #[test]
    fn every_zone_of_the_database_fits_its_column_and_survives_its_name() {
        for tz in chrono_tz::TZ_VARIANTS {
            assert!(tz.name().len() <= TimeZone::CHARS_MAX);
            assert_eq!(TimeZone::parse(tz.name()), Ok(TimeZone(tz)));
        }
    }

    #[test]
    fn what_the_database_does_not_know_is_refused() {
        for text in ["", "europe/berlin", "Berlin", "+02:00", "Europe/Berlin ", "../etc/localtime"] {
            assert!(TimeZone::parse(text).is_err(), "{text:?} is accepted");
        }
    }
}
