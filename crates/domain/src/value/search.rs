//! What is looked for in a list: words, wherever they stand.

/// Why a text cannot be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a search needs 1 to {} words, together at most {} characters", Search::WORDS_MAX, Search::CHARS_MAX)]
pub struct InvalidSearch;

/// Words that must all be found, each in the name, the description or a tag, whatever their case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search(Vec<String>);

impl Search {
    /// The most words.
    pub const WORDS_MAX: usize = 8;
    /// The most characters.
    pub const CHARS_MAX: usize = 200;

    /// Splits a text into its words.
    ///
    /// # Errors
    ///
    /// [`InvalidSearch`] if there are none, or too many.
    pub fn parse(text: &str) -> Result<Self, InvalidSearch> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let is_valid = (1..=Self::WORDS_MAX).contains(&words.len())
            && text.chars().count() <= Self::CHARS_MAX
            && !text.contains('\0');
        if is_valid { Ok(Self(words)) } else { Err(InvalidSearch) }
    }

    /// The words, in lower case.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether all words are found in what something is called.
    pub fn finds<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let texts: Vec<String> = texts.into_iter().map(str::to_lowercase).collect();
        self.words().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_be_found_each_anywhere() {
        let found = |search: &str| Search::parse(search).unwrap().finds(["Daily report", "Sums up", "finance"]);

        assert!(found("REPORT") && found("fin daily") && found(" sums\tup "));
        assert!(!found("report weekly") && !found("dailyreport") && !found("%"));
    }

    #[test]
    fn a_search_has_a_few_words() {
        assert!(Search::parse("a b c d e f g h").is_ok());
        for text in ["", "  ", "a b c d e f g h i", &"x".repeat(201), "a\0"] {
            assert!(Search::parse(text).is_err(), "{text}");
        }
    }
}
