//! Names that people give to things.

use super::text_value;

text_value!(
    /// A name, trimmed: of an agent, a workflow, a step, a template, a deployment, an API key, a person.
    Name, InvalidName, "a name"
);

impl Name {
    /// The longest name, in characters.
    pub const CHARS_MAX: usize = 255;

    /// Parses a name: 1 to 255 characters without control characters; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if nothing is left, or too much, or it has a control character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let name = text.trim();
        if name.is_empty() || name.chars().nth(Self::CHARS_MAX).is_some() {
            return Err(InvalidName::new(name, "it needs 1 to 255 characters"));
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidName::new(name, "it may not have control characters or line breaks"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl From<super::StepKey> for Name {
    /// A step without a name is called by its key.
    fn from(key: super::StepKey) -> Self {
        Self(key.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{StepKey, text::text_laws};

    text_laws!(Name, "[ a-zA-Zä\u{0}-\u{7f}]{0,300}");

    #[test]
    fn a_name_is_trimmed() {
        assert_eq!(Name::parse(" Web Scraper\t").unwrap().as_str(), "Web Scraper");
    }

    #[test]
    fn length_is_counted_in_characters_at_the_limit_and_past_it() {
        assert!(Name::parse("ä".repeat(255)).is_ok());
        assert!(Name::parse("ä".repeat(256)).is_err());
        assert!(Name::parse(" \n ").is_err());
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\0b", "a\nb", "a\u{7f}b", "a\u{9f}b"] {
            assert!(Name::parse(text).is_err(), "{text:?} is accepted");
        }
    }

    #[test]
    fn every_step_key_is_a_name() {
        let key = StepKey::parse("k".repeat(StepKey::CHARS_MAX)).unwrap();

        assert_eq!(Name::parse(key.as_str()), Ok(Name::from(key)));
    }

    #[test]
    fn the_message_says_what_is_allowed() {
        assert_eq!(Name::parse("  ").unwrap_err().to_string(), "`` is not a name: it needs 1 to 255 characters");
    }
}
