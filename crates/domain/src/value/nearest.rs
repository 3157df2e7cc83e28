//! "Did you mean …?"

/// The known word that is nearest to what was written, if any is near.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect();
    let allowed = (written.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|word| (distance(&written, word), word))
        .filter(|&(distance, word)| distance <= allowed && distance < word.chars().count())
        .min()
        .map(|(_, word)| word)
}

/// No known word is longer.
const CHARS_MAX: usize = 128;

/// The edit distance (insert, delete, replace, swap two neighbours: optimal string alignment).
fn distance(written: &[char], word: &str) -> usize {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    for (row, &a) in written.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &b) in word.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(a != b);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = row > 0 && column > 0 && written.get(row - 1) == Some(&b) && word.get(column - 1) == Some(&a);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_finds_its_word() {
        let known = ["depends_on", "timeout_ms", "retry_count", "if", "join"];

        let found = ["depend_on", "timeuot_ms", "Retry_Count", "fi", "jion"].map(|typo| nearest(typo, known));

        assert_eq!(found, [Some("depends_on"), Some("timeout_ms"), Some("retry_count"), Some("if"), Some("join")]);
    }

    #[test]
    fn another_word_finds_nothing() {
        assert_eq!(nearest("colour", ["depends_on", "if"]), None);
        assert_eq!(nearest("", ["if"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), ["if"]), None);
    }
}
