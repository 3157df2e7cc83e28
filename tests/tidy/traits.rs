//! Traits stay small: they are split by who asks.

use crate::workspace::{assert_none, sources};

const METHODS_MAX: usize = 8;

/// These are indexes: a method a repository, and nothing to implement in it.
const INDEXES: [&str; 2] = ["UnitOfWork", "Queries"];

#[test]
fn no_trait_asks_for_much() {
    let mut large = Vec::new();
    let mut seen = 0;
    for source in sources() {
        for (name, methods) in traits(source.product()) {
            seen += 1;
            if methods > METHODS_MAX && !INDEXES.contains(&name.as_str()) {
                large.push(format!("{}: {name} has {methods} methods, at most {METHODS_MAX}", source.path));
            }
        }
    }
    assert!(seen > 20, "only {seen} traits were found");
    assert_none("these traits are too large", &large);
}

/// The traits of a file that rustfmt has formatted, with the number of their methods.
fn traits(text: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut end: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        if let Some(closing) = &end {
            let is_method =
                indent.len() == closing.len() + 3 && (trimmed.starts_with("fn ") || trimmed.starts_with("async fn "));
            if is_method {
                found.last_mut().unwrap().1 += 1;
            }
            if line == closing {
                end = None;
            }
        } else if let Some(name) = trait_name(trimmed).filter(|_| line.ends_with('{')) {
            found.push((name.to_owned(), 0));
            end = Some(format!("{indent}}}"));
        }
    }
    found
}

fn trait_name(line: &str) -> Option<&str> {
    let declared = ["pub trait ", "pub(crate) trait ", "pub(super) trait ", "trait "];
    let rest = declared.iter().find_map(|prefix| line.strip_prefix(prefix))?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

#[test]
fn methods_are_counted_and_what_is_in_their_bodies_is_not() {
    let text = "pub trait One: Send {\n    /// Doc.\n    fn a(&self);\n    async fn b(&self) {\n        fn inner() {}\n    }\n}\n\
                trait Two {\n}\n";

    assert_eq!(traits(text), [("One".to_owned(), 2), ("Two".to_owned(), 0)]);
}
