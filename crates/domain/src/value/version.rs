//! Versions of agents and workflows.

use std::{fmt, str::FromStr};

/// The number of a version, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Version(u32);

/// Why something is not the number of a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version: it needs an integer from 1 to 2147483647")]
pub struct InvalidVersion {
    /// What was given, cut if it is long.
    pub text: String,
}

impl Version {
    /// The first version.
    pub const FIRST: Self = Self(1);
    /// The last that a column can hold.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// Parses a version: decimal digits.
    ///
    /// # Errors
    ///
    /// [`InvalidVersion`] if the text is not an integer from 1 to [`Self::MAX`].
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidVersion> {
        let text = text.into();
        text.parse::<i64>()
            .ok()
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| InvalidVersion { text: super::excerpt(&text) })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The version after this one; the last one has none and stays.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1).min(Self::MAX)
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::FIRST
    }
}

impl TryFrom<i64> for Version {
    type Error = InvalidVersion;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        u32::try_from(number)
            .ok()
            .map(Self)
            .filter(|version| (Self::FIRST..=Self::MAX).contains(version))
            .ok_or_else(|| InvalidVersion { text: number.to_string() })
    }
}

impl TryFrom<i32> for Version {
    type Error = InvalidVersion;

    fn try_from(number: i32) -> Result<Self, Self::Error> {
        Self::try_from(i64::from(number))
    }
}

impl TryFrom<u32> for Version {
    type Error = InvalidVersion;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        Self::try_from(i64::from(number))
    }
}

impl From<Version> for i64 {
    fn from(version: Version) -> Self {
        Self::from(version.0)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_to_what_a_column_holds() {
        for (text, expected) in [("1", Some(1)), ("2147483647", Some(2_147_483_647))] {
            assert_eq!(Version::parse(text).ok().map(Version::get), expected);
        }
        for text in ["", "0", "-1", "2147483648", "1.0", "v1", " 1", "99999999999999999999"] {
            assert!(Version::parse(text).is_err(), "{text:?} is accepted");
        }
    }

    #[test]
    fn the_next_version_is_one_more_and_the_last_stays() {
        assert_eq!(Version::FIRST.next().to_string(), "2");
        assert_eq!(Version::MAX.next(), Version::MAX);
    }

    #[test]
    fn a_version_is_a_number_in_json() {
        assert_eq!(serde_json::to_string(&Version::FIRST).unwrap(), "1");
        assert_eq!(serde_json::from_str::<Version>("7").unwrap().get(), 7);
        assert!(serde_json::from_str::<Version>("0").is_err());
    }
}
