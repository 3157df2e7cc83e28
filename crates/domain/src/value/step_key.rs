//! Keys of steps.

use super::text_value;

text_value!(
    /// What a step is called in expressions, dependencies and paths; unique in its workflow.
    StepKey, InvalidStepKey, "a step key"
);

impl StepKey {
    /// The longest key, in characters.
    pub const CHARS_MAX: usize = 100;

    /// Parses a key: 1 to 100 characters of `a-z`, `0-9`, `_` and `-`.
    ///
    /// # Errors
    ///
    /// [`InvalidStepKey`] if the text is empty, too long, or has another character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidStepKey> {
        let text = text.into();
        let allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if !(1..=Self::CHARS_MAX).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(InvalidStepKey::new(&text, "it needs 1 to 100 characters of a-z, 0-9, _ and -"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(StepKey, "[a-z0-9_-]{0,110}");

    #[test]
    fn keys_are_held_to_their_characters_and_their_length() {
        let (longest, too_long) = ("k".repeat(100), "k".repeat(101));
        for text in ["a", "0", "_", "-", "fetch_2-b", &longest] {
            assert!(StepKey::parse(text).is_ok(), "{text:?} is refused");
        }
        for text in ["", " a", "A", "a.b", "a[0]", "ä", "a\0", &too_long] {
            assert!(StepKey::parse(text).is_err(), "{text:?} is accepted");
        }
    }
}
