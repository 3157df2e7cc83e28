//! Templates: agents, workflows and steps to start from.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    id::{TemplateId, UserId},
    value::{Category, Name, Tag, soft_delete, text_enum},
};

text_enum! {
    /// What a template makes.
    pub enum TemplateType: "a template type" {
        /// An agent.
        Agent = "agent",
        /// A workflow.
        Workflow = "workflow",
        /// A step of a workflow.
        Step = "step",
    }
}

/// An average of ratings, in hundredths: 0.00 to 5.00, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rating(u16);

/// Why something is not a rating.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a rating: it needs a number from 0.00 to 5.00 with at most two decimals")]
pub struct InvalidRating {
    /// What was given, cut if it is long.
    pub text: String,
}

impl Rating {
    /// No rating yet, or the worst.
    pub const ZERO: Self = Self(0);
    /// The best.
    pub const MAX: Self = Self(500);
    /// The most stars that one user gives.
    pub const STARS_MAX: u8 = 5;

    /// A rating of so many hundredths.
    ///
    /// # Errors
    ///
    /// [`InvalidRating`] above 500.
    pub fn from_hundredths(hundredths: u16) -> Result<Self, InvalidRating> {
        if hundredths > Self::MAX.0 {
            return Err(InvalidRating { text: format!("{}.{:02}", hundredths / 100, hundredths % 100) });
        }
        Ok(Self(hundredths))
    }

    /// The average of `count` ratings that sum up to `stars`, rounded to the nearest hundredth; zero for none.
    #[must_use]
    pub fn average(stars: u64, count: u32) -> Self {
        let count = u64::from(count);
        if count == 0 {
            return Self::ZERO;
        }
        let hundredths = (stars.saturating_mul(100).saturating_add(count / 2)) / count;
        Self(u16::try_from(hundredths).unwrap_or(u16::MAX)).min(Self::MAX)
    }

    /// The rating in hundredths, 0 to 500.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Rating {
    type Err = InvalidRating;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| part.bytes().all(|c| c.is_ascii_digit());
        Some((whole, decimals))
            .filter(|_| whole.len() == 1 && (1..=2).contains(&decimals.len()))
            .filter(|_| is_number(whole) && is_number(decimals))
            .and_then(|_| format!("{whole}{decimals:0<2}").parse().ok())
            .and_then(|hundredths| Self::from_hundredths(hundredths).ok())
            .ok_or_else(|| InvalidRating { text: crate::value::excerpt(text) })
    }
}

/// Something to start from.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// What it is called.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// The shelf that it stands on.
    pub category: Category,
    /// What it makes.
    pub kind: TemplateType,
    /// Whose it is; `None` for those of nobody in particular.
    pub user_id: Option<UserId>,
    /// What is copied.
    pub template_data: Value,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// Whether it comes with the platform.
    pub is_official: bool,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// How often it was used.
    pub usage_count: u32,
    /// The average of its ratings.
    pub rating_average: Rating,
    /// How many rated it.
    pub rating_count: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What every new template needs; the rest has defaults: `Template { user_id, ..Template::new(new, now) }`.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTemplate {
    /// Its id.
    pub id: TemplateId,
    /// What it is called.
    pub name: Name,
    /// The shelf that it stands on.
    pub category: Category,
    /// What it makes.
    pub kind: TemplateType,
    /// What is copied.
    pub template_data: Value,
}

impl Template {
    /// A new private template of nobody in particular.
    #[must_use]
    pub fn new(new: NewTemplate, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            name: new.name,
            description: None,
            category: new.category,
            kind: new.kind,
            user_id: None,
            template_data: new.template_data,
            tags: Vec::new(),
            is_official: false,
            is_public: false,
            usage_count: 0,
            rating_average: Rating::ZERO,
            rating_count: 0,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// Whether a user may see and use it.
    #[must_use]
    pub fn is_usable_by(&self, user: UserId) -> bool {
        self.deleted_at.is_none() && (self.user_id == Some(user) || self.is_public || self.is_official)
    }
}

soft_delete!(Template);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_rating_is_read_and_shown_with_two_decimals() {
        let cases =
            [("0", "0.00"), ("5", "5.00"), ("4.5", "4.50"), ("4.05", "4.05"), ("0.01", "0.01"), ("5.00", "5.00")];
        for (given, shown) in cases {
            assert_eq!(given.parse::<Rating>().unwrap().to_string(), shown);
        }
        for text in ["", ".", "5.01", "6", "-1", "+1", "4.", ".5", "4.123", "1e0", "04", "NaN", "4,5", "ä"] {
            assert!(text.parse::<Rating>().is_err(), "{text:?} is accepted");
        }
    }

    #[test]
    fn an_average_is_rounded_to_the_nearest_hundredth() {
        for (stars, count, expected) in
            [(0, 0, "0.00"), (5, 1, "5.00"), (13, 3, "4.33"), (14, 3, "4.67"), (u64::MAX, 1, "5.00")]
        {
            assert_eq!(Rating::average(stars, count).to_string(), expected);
        }
    }

    #[test]
    fn past_five_hundred_hundredths_there_is_no_rating() {
        assert_eq!(Rating::from_hundredths(500), Ok(Rating::MAX));
        assert_eq!(Rating::from_hundredths(501).unwrap_err().text, "5.01");
    }

    #[test]
    fn a_template_is_for_its_owner_unless_it_is_public_or_official() {
        let new = NewTemplate {
            id: TemplateId::from_uuid(Uuid::nil()),
            name: Name::parse("Web Scraper Agent").unwrap(),
            category: Category::parse("Data Collection").unwrap(),
            kind: TemplateType::Agent,
            template_data: json!({}),
        };
        let [owner, stranger] = [1, 2].map(|raw| UserId::from_uuid(Uuid::from_u128(raw)));
        let template = Template { user_id: Some(owner), ..Template::new(new, DateTime::UNIX_EPOCH) };

        assert!(template.is_usable_by(owner) && !template.is_usable_by(stranger));
        assert!(Template { is_public: true, ..template.clone() }.is_usable_by(stranger));
        assert!(Template { is_official: true, ..template.clone() }.is_usable_by(stranger));
        assert!(!Template { deleted_at: Some(DateTime::UNIX_EPOCH), ..template }.is_usable_by(owner));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_survives_its_text_form(text in prop_oneof![".*", "[0-6]\\.[0-9]{1,2}"]) {
            if let Ok(rating) = text.parse::<Rating>() {
                prop_assert_eq!(rating.to_string().parse(), Ok(rating));
                prop_assert!(rating <= Rating::MAX);
            }
        }
    }
}
