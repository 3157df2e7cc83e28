//! Categories of templates.

use super::text_value;

text_value!(
    /// The shelf that a template stands on, trimmed: `Data Collection`.
    Category, InvalidCategory, "a category"
);

impl Category {
    /// The longest category, in characters.
    pub const CHARS_MAX: usize = 100;

    /// Parses a category: 1 to 100 characters without control characters; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidCategory`] if nothing is left, or too much, or it has a control character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidCategory> {
        let text = text.into();
        let category = text.trim();
        if category.is_empty() || category.chars().nth(Self::CHARS_MAX).is_some() {
            return Err(InvalidCategory::new(category, "it needs 1 to 100 characters"));
        }
        if category.chars().any(char::is_control) {
            return Err(InvalidCategory::new(category, "it may not have control characters or line breaks"));
        }
        Ok(Self(category.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(Category, "[ a-zA-Zä\u{0}-\u{7f}]{0,120}");

    #[test]
    fn length_is_counted_at_the_limit_and_past_it() {
        assert!(Category::parse("Data Collection").is_ok());
        assert!(Category::parse("ä".repeat(100)).is_ok());
        assert!(Category::parse("ä".repeat(101)).is_err());
        assert!(Category::parse("").is_err());
    }
}
