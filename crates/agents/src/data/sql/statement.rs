//! What a query may say, token by token.
//!
//! A query is taken apart into tokens, each is looked at, and what is sent is the tokens joined anew: comments are
//! gone, and what was looked at is what the database reads. Whatever stands before a bracket must be a known function,
//! type or keyword; catalogs, settings and everything that is not a query have names that are refused. There is no
//! recursion in it: a query is only as deep as the database allows.
//!
//! This is the first of two nets. The second one is the role under which the database runs the query.

mod words;

use turbocat_domain::limits;

/// A part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    /// A name or a keyword, as it stands.
    Word(&'a str),
    /// A name in quotes, with its quotes.
    Quoted(&'a str),
    /// A text in quotes, with its quotes.
    Text(&'a str),
    Number(&'a str),
    /// An operator, a bracket, a comma, a dot.
    Sign(&'a str),
}

impl<'a> Token<'a> {
    const fn text(&self) -> &'a str {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Text(text) | Self::Number(text) | Self::Sign(text) => text,
        }
    }
}

/// The query as it is sent, or everything that is wrong with it.
pub(super) fn canonical(query: &str) -> Result<String, Vec<String>> {
    if query.len() > limits::SQL_BYTES_MAX {
        return Err(vec![format!("has {} bytes; {} are allowed", query.len(), limits::SQL_BYTES_MAX)]);
    }
    let tokens = tokens(query).map_err(|problem| vec![problem])?;
    let problems = problems(&tokens);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut text = String::with_capacity(query.len());
    for token in &tokens {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(token.text());
    }
    Ok(text)
}

fn tokens<'a>(query: &'a str) -> Result<Vec<Token<'a>>, String> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = after_blank(rest)? {
            rest = after;
            continue;
        }
        let (length, make): (usize, fn(&'a str) -> Token<'a>) = match first {
            '\'' => (quoted(rest, '\'').ok_or("has a text that does not end")?, Token::Text),
            '"' => (quoted(rest, '"').ok_or("has a name in quotes that does not end")?, Token::Quoted),
            c if c.is_ascii_digit() => (number(rest).ok_or("has a number with letters behind it")?, Token::Number),
            c if c == '_' || c.is_alphabetic() => (run(rest, |c| c == '_' || c.is_alphanumeric()), Token::Word),
            '(' | ')' | '[' | ']' | ',' | '.' => (1, Token::Sign),
            ':' if rest.starts_with("::") => (2, Token::Sign),
            c if words::is_operator(c) => (operator(rest), Token::Sign),
            ';' => return Err("has a `;`: a query is one statement, and needs none".to_owned()),
            c => return Err(format!("has the character `{}`, which a query has no use for", c.escape_default())),
        };
        let (token, after) = rest.split_at_checked(length).ok_or("cannot be taken apart")?;
        tokens.push(make(token));
        rest = after;
    }
    Ok(tokens)
}

/// What follows white space or a comment, if there is one. Comments in this shape nest, as those of the database do.
fn after_blank(text: &str) -> Result<Option<&str>, String> {
    let trimmed = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if trimmed.len() < text.len() {
        return Ok(Some(trimmed));
    }
    if text.starts_with("--") {
        return Ok(Some(text.find(['\n', '\r']).and_then(|end| text.get(end..)).unwrap_or_default()));
    }
    if !text.starts_with("/*") {
        return Ok(None);
    }
    let (mut depth, mut rest) = (0_u32, text);
    loop {
        let found = rest.find("/*").into_iter().chain(rest.find("*/")).min();
        let Some((mark, after)) = found.and_then(|at| rest.get(at..)?.split_at_checked(2)) else {
            return Err("has a comment that does not end".to_owned());
        };
        depth = if mark == "/*" { depth + 1 } else { depth.saturating_sub(1) };
        rest = after;
        if depth == 0 {
            return Ok(Some(rest));
        }
    }
}

/// The length of what begins with a quote, up to the quote that ends it; a quote that is written twice is one in it.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of a number: `10`, `1.5`, `1_000`, `2e-3`. What follows must be something else, or the database would see a
/// word that was not looked at.
fn number(text: &str) -> Option<usize> {
    let digits = run(text, |c| c.is_ascii_digit() || matches!(c, '.' | '_'));
    let after = text.get(digits..)?;
    let exponent = after.strip_prefix(['e', 'E']).map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
    let length = match exponent.map(|power| (power, run(power, |c| c.is_ascii_digit()))) {
        Some((power, digits @ 1..)) => text.len() - power.len() + digits,
        _ => digits,
    };
    let follows = text.get(length..)?.chars().next();
    follows.is_none_or(|c| c != '_' && !c.is_alphanumeric()).then_some(length)
}

/// The length of an operator: it ends where a comment begins.
fn operator(text: &str) -> usize {
    let length = run(text, words::is_operator);
    let operator = text.get(..length).unwrap_or_default();
    ["--", "/*"].iter().filter_map(|comment| operator.find(comment)).filter(|at| *at > 0).min().unwrap_or(length)
}

fn problems(tokens: &[Token<'_>]) -> Vec<String> {
    let mut problems = Vec::new();
    let begins = tokens.iter().find(|token| **token != Token::Sign("("));
    if !begins.is_some_and(|token| matches!(token, Token::Word(word) if words::begins_query(word))) {
        problems.push("is no query: it begins with SELECT, WITH or VALUES".to_owned());
    }
    if let Some(problem) = unbalanced(tokens) {
        problems.push(problem);
    }
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let is_called = tokens.get(index + 1) == Some(&Token::Sign("("));
        let problem = match token {
            Token::Word(word) => words::refused(word).or_else(|| is_called.then(|| uncallable(word, before)).flatten()),
            Token::Quoted(name) => match name.trim_matches('"') {
                name if words::is_internal(name) => Some(format!("names `{name}`, which is not for agents")),
                name if is_called && !is_alias(before) => Some(format!("calls `{name}` by a name in quotes")),
                name if name.len() > limits::SQL_NAME_BYTES_MAX => {
                    Some(format!("has a name that is too long: `{name}`"))
                }
                _ => None,
            },
            _ => None,
        };
        problems.extend(problem.filter(|problem| !problems.contains(problem)));
    }
    problems
}

/// What is wrong with a word before a bracket, if it is no function that may be called.
fn uncallable(word: &str, before: Option<&Token<'_>>) -> Option<String> {
    let known = words::may_stand_before_bracket(word) && before != Some(&Token::Sign("."));
    if known || is_alias(before) {
        return None;
    }
    let near = turbocat_domain::value::nearest(&word.to_ascii_lowercase(), words::FUNCTIONS.split(' '));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("calls `{word}`, which is not among the functions that agents have{hint}"))
}

/// Whether a name with brackets behind it names columns: `AS t (a, b)`.
fn is_alias(before: Option<&Token<'_>>) -> bool {
    matches!(before, Some(Token::Word(word)) if word.eq_ignore_ascii_case("as"))
}

fn unbalanced(tokens: &[Token<'_>]) -> Option<String> {
    let mut depth = 0_i64;
    for token in tokens {
        match token {
            Token::Sign("(") => depth += 1,
            Token::Sign(")") => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return Some("closes a bracket that was not opened".to_owned());
        }
    }
    (depth > 0).then(|| "does not close all brackets".to_owned())
}

#[cfg(test)]
mod tests;
