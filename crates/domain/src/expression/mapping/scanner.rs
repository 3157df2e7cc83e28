//! Finds the `${{ … }}` of a text.
//!
//! `}}` ends an expression only outside of CEL's strings, comments and braces, so the scanner knows those:
//! `${{ {'a': {'b': '}}'}} }}` is one expression.

use super::ExpressionError;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// What stands for itself; never empty.
    Text(&'a str),
    /// What is between `${{` and `}}`.
    Cel(&'a str),
}

/// Splits a text into its parts.
///
/// # Errors
///
/// `expression_invalid` if an expression does not end.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, ExpressionError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let end = end_of(after).ok_or_else(|| {
            ExpressionError::invalid("`${{` without its `}}`; to write `${{` itself, write ${{ '${{' }}")
        })?;
        let (cel, following) = after.split_at(end);
        parts.push(Part::Cel(cel));
        rest = following.strip_prefix(CLOSE).unwrap_or(following);
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Where the `}}` is that ends the expression at the head of a text.
fn end_of(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        if depth == 0 && rest.starts_with(CLOSE) {
            return Some(at);
        }
        match rest.chars().next()? {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '"' | '\'' => {
                at += string_len(rest, is_raw(text.get(..at)?))?;
                continue;
            }
            '/' if rest.starts_with("//") => {
                at += rest.find('\n')?;
                continue;
            }
            _ => {}
        }
        at += rest.chars().next()?.len_utf8();
    }
}

/// Whether a string that follows is raw: prefixed with `r`, `rb` or `br`, in either case.
fn is_raw(before: &str) -> bool {
    let word_at = before
        .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map_or(0, |at| at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8));
    let prefix = before.get(word_at..).unwrap_or_default();
    matches!(prefix.to_ascii_lowercase().as_str(), "r" | "rb" | "br")
}

/// The length of the string literal at the head of a text, quotes included.
fn string_len(text: &str, is_raw: bool) -> Option<usize> {
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| text.starts_with(quote))?;
    let mut at = quote.len();
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at + quote.len());
        }
        let mut chars = rest.chars();
        let char = chars.next()?;
        at += char.len_utf8();
        if char == '\\' && !is_raw {
            at += chars.next()?.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Part::{Cel, Text},
        *,
    };

    #[test]
    fn text_and_expressions_take_turns() {
        assert_eq!(parts("a ${{ b }} c${{d}}"), Ok(vec![Text("a "), Cel(" b "), Text(" c"), Cel("d")]));
        assert_eq!(parts("no expression: $ { {{ }} ${ }"), Ok(vec![Text("no expression: $ { {{ }} ${ }")]));
        assert_eq!(parts(""), Ok(vec![]));
        assert_eq!(parts("${{}}"), Ok(vec![Cel("")]));
    }

    #[test]
    fn braces_and_strings_of_cel_do_not_end_an_expression() {
        for cel in [
            "{'a': {'b': 1}}",
            "'}}'",
            r#""}}""#,
            r"'\'}}'",
            r"r'\' + '}}'",
            "'''a'}}'''",
            r#""""a"}}""""#,
            "{'a': {'b': '}}'}}.a",
            "1 // }}\n + 1",
            "[{}, {}]",
        ] {
            let text = format!("<${{{{{cel} }}}}>");

            assert_eq!(parts(&text), Ok(vec![Text("<"), Cel(&format!("{cel} ")), Text(">")]), "{cel}");
        }
    }

    #[test]
    fn an_expression_that_does_not_end_is_refused() {
        for text in ["${{", "${{ a }", "${{ '}}", "x ${{ a }} ${{ {'a': 1 }}"] {
            assert!(parts(text).is_err(), "{text}");
        }
    }
}
