//! "Did you mean …?"

/// The known word that is nearest to what was written, if any is near.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    // Known words are short: what is much longer is near to none of them.
    if written.chars().count() > 64 {
        return None;
    }
    let near = known.iter().map(|word| (distance(written, word), *word)).min()?;
    (near.0 <= allowed && near.0 < near.1.chars().count()).then_some(near.1)
}

/// The edit distance of Levenshtein.
fn distance(written: &str, word: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.chars().count()).collect();
    for (line, a) in written.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(word.chars()) {
            let above = *cell;
            left = (left + 1).min(above + 1).min(diagonal + usize::from(a != b));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_finds_its_word_and_another_word_finds_nothing() {
        let known = ["method", "url", "headers"];

        assert_eq!(nearest("header", &known), Some("headers"));
        assert_eq!(nearest("uri", &known), Some("url"));
        assert_eq!(nearest("metod", &known), Some("method"));
        assert_eq!(nearest("authentication", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
