//! Names of secrets.

use super::text_value;

text_value!(
    /// What a secret is called in configurations: `${{ secrets.NAME }}`; unique for its owner.
    SecretName, InvalidSecretName, "a name of a secret"
);

impl SecretName {
    /// The longest name, in characters.
    pub const CHARS_MAX: usize = 64;

    /// Parses a name: a letter or `_`, and up to 63 letters, digits and `_` after it.
    ///
    /// # Errors
    ///
    /// [`InvalidSecretName`] if the text is empty, too long, or has another character.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidSecretName> {
        let text = text.into();
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        let begins = text.bytes().next().is_some_and(|c| !c.is_ascii_digit());
        if !begins || text.len() > Self::CHARS_MAX || !text.bytes().all(allowed) {
            let wanted = "it needs 1 to 64 characters of A-Z, a-z, 0-9 and _, and does not begin with a digit";
            return Err(InvalidSecretName::new(&text, wanted));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(SecretName, "[A-Za-z0-9_ .-]{0,70}");

    #[test]
    fn a_name_is_what_an_expression_can_name() {
        for good in ["GITHUB_TOKEN", "_x", "a1", &"A".repeat(64)] {
            assert!(SecretName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1A", "A-B", "A.B", "Ä", " A", &"A".repeat(65)] {
            assert!(SecretName::parse(bad).is_err(), "{bad}");
        }
    }
}
