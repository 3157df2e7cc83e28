//! Tags.

use super::text_value;

text_value!(
    /// A word to find things by, trimmed and in lower case.
    Tag, InvalidTag, "a tag"
);

impl Tag {
    /// The longest tag, in characters.
    pub const CHARS_MAX: usize = 50;

    /// Parses a tag: 1 to 50 letters (of any script), digits, `_`, `-`, `.` and `:`.
    ///
    /// # Errors
    ///
    /// [`InvalidTag`] if nothing is left after trimming, or too much, or it has another character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidTag> {
        let text = text.into();
        let tag = text.trim().to_lowercase();
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        if tag.is_empty() || tag.chars().nth(Self::CHARS_MAX).is_some() || !tag.chars().all(allowed) {
            return Err(InvalidTag::new(&text, "it needs 1 to 50 letters, digits, _, -, . and :"));
        }
        Ok(Self(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(Tag, "[ a-zA-ZäÄΣİ0-9_.:-]{0,55}");

    #[test]
    fn tags_are_trimmed_and_in_lower_case() {
        assert_eq!(Tag::parse(" Bücher:2.0 ").unwrap().as_str(), "bücher:2.0");
    }

    #[test]
    fn tags_are_held_to_their_characters_and_their_length() {
        assert!(Tag::parse("t".repeat(50)).is_ok());
        for text in ["", "a b", "a/b", "a,b", "{a}", "a\0", &"t".repeat(51)] {
            assert!(Tag::parse(text).is_err(), "{text:?} is accepted");
        }
    }
}
