//! What an API key may do.

use super::text_value;

text_value!(
    /// A permission: `workflows:read`, all of a domain (`workflows:*`), or everything (`*`).
    Scope, InvalidScope, "a scope"
);

impl Scope {
    /// The longest scope, in characters.
    pub const CHARS_MAX: usize = 100;

    /// Parses a scope: `domain:action`, `domain:*` or `*`, at most 100 characters of `a-z`, `0-9`, `_` and `-`.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] if the text has another form.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidScope> {
        let text = text.into();
        let fits = text.len() <= Self::CHARS_MAX
            && match text.split_once(':') {
                Some((domain, action)) => is_word(domain) && (action == "*" || is_word(action)),
                None => text == "*",
            };
        if !fits {
            return Err(InvalidScope::new(&text, "it needs the form `domain:action`, `domain:*` or `*`"));
        }
        Ok(Self(text))
    }

    /// Whether who has this scope may do what needs the other.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other
            || match self.0.split_once(':') {
                None => true,
                Some((domain, "*")) => other.0.split_once(':').is_some_and(|(theirs, _)| theirs == domain),
                Some(_) => false,
            }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::text::text_laws;

    text_laws!(Scope, "[a-z_-]{0,5}:?[a-z*]{0,5}");

    #[test]
    fn scopes_cover_what_they_name_and_nothing_else() {
        let cases = [
            ("workflows:read", "workflows:read", true),
            ("workflows:read", "workflows:write", false),
            ("workflows:read", "workflows:*", false),
            ("workflows:*", "workflows:read", true),
            ("workflows:*", "workflows:*", true),
            ("workflows:*", "workflow:read", false),
            ("workflows:*", "*", false),
            ("*", "workflows:read", true),
            ("*", "workflows:*", true),
            ("*", "*", true),
        ];
        for (held, needed, expected) in cases {
            let [held, needed] = [held, needed].map(|text| Scope::parse(text).unwrap());
            assert_eq!(held.covers(&needed), expected, "{held} covers {needed}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", ":", "a", "a:", ":a", "*:a", "*:*", "a:b:c", "a:b*", "A:b", "a b:c", "**", &"a".repeat(101)] {
            assert!(Scope::parse(text).is_err(), "{text:?} is accepted");
        }
    }
}
