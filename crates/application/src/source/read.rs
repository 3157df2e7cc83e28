//! Reading text as documents, within bounds.
//!
//! # Invariants
//!
//! 1. What is read is JSON: no NUL, no duplicate key, no infinite number, no key that is not text.
//! 2. Aliases cannot make a small file large: what they repeat counts.

use std::path::Path;

use serde_json::Value;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};
use turbocat_domain::{
    limits::{DOCUMENT_BYTES_MAX, JSON_DEPTH_MAX, JSON_TOKENS_MAX},
    problem::Problem,
    value::json_text::clean,
};

use super::{LocatedProblem, Node, SourceDocument, SourceFile};

/// The documents of one file.
const DOCUMENTS_MAX: usize = 200;
/// The bytes of one file.
/// With room for what is written around an input of the most bytes that there may be.
const FILE_BYTES_MAX: usize = 8 * DOCUMENT_BYTES_MAX + 64 * 1024;
/// The aliases of one file.
const ALIASES_MAX: usize = 1_000;

/// Reads the documents of a file. Empty ones are left out.
pub(crate) fn read(source: &SourceFile) -> Result<Vec<SourceDocument>, LocatedProblem> {
    let refused = |line, code, message| LocatedProblem {
        file: source.name.clone(),
        document: 0,
        line,
        problem: Problem::new(code, "", message),
    };
    let nodes = nodes(source).map_err(|(line, code, message)| refused(line, code, message))?;
    if nodes.is_empty() {
        return Err(refused(None, "empty_file", "there is no document in this file".to_owned()));
    }
    let documents = (1..).zip(nodes).map(|(index, node)| SourceDocument {
        file: source.name.clone(),
        index,
        // As the database gives it back, so that what is stored is recognised.
        value: clean(node.to_value()).0,
        node,
    });
    Ok(documents.collect())
}

/// Reads text as one value: JSON if `name` ends in `.json`, else YAML.
///
/// # Errors
///
/// A [`LocatedProblem`] if the text is no such value, or more than one.
pub fn read_value(source: &SourceFile) -> Result<Value, LocatedProblem> {
    let mut documents = read(source)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document.value),
        _ => Err(LocatedProblem {
            file: source.name.clone(),
            document: 0,
            line: None,
            problem: Problem::new("several_documents", "", "one value is expected here, not several documents"),
        }),
    }
}

type Refusal = (Option<u64>, &'static str, String);

fn nodes(source: &SourceFile) -> Result<Vec<Node>, Refusal> {
    if source.text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, at most {FILE_BYTES_MAX} are allowed", source.text.len());
        return Err((None, "file_too_large", message));
    }
    let is_json = Path::new(&source.name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { json(&source.text) } else { yaml(&source.text) }
}

fn json(text: &str) -> Result<Vec<Node>, Refusal> {
    serde_json::from_str(text).map(|node| vec![node]).map_err(|error| {
        let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
        (line, "invalid_json", error.to_string())
    })
}

fn yaml(text: &str) -> Result<Vec<Node>, Refusal> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_MAX,
            max_depth: JSON_DEPTH_MAX,
            max_nodes: JSON_TOKENS_MAX,
            max_aliases: ALIASES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: JSON_TOKENS_MAX },
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        (line, "invalid_yaml", UserMessageFormatter.format_message(&error).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::json;
    use turbocat_domain::problem::Problems;

    use super::*;

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile { name: name.to_owned(), text: text.to_owned() }
    }

    fn code_of(name: &str, text: &str) -> (&'static str, Option<u64>) {
        let refused = read(&file(name, text)).unwrap_err();
        (refused.problem.code, refused.line)
    }

    #[test]
    fn a_file_holds_several_documents_and_their_lines() {
        let text = "# the first\na: 1\n---\nsteps:\n  - key: x\n    inputs:\n      q.r: [1,\n        2]\n---\n";
        let documents = read(&file("two.yaml", text)).unwrap();

        let values: Vec<_> = documents.iter().map(|document| document.value.clone()).collect();
        assert_eq!(values, [json!({ "a": 1 }), json!({ "steps": [{ "key": "x", "inputs": { "q.r": [1, 2] } }] })]);
        let lines = ["", "steps[0].key", "steps[0].inputs.q.r[1]", "steps[7].key", "nothing"];
        let lines = lines.map(|path| {
            let problems = Problems::from(Problem::new("x", path, "y"));
            documents[1].locate(problems).next().unwrap().line.unwrap()
        });
        assert_eq!(lines, [4, 5, 8, 5, 4]);
    }

    #[test]
    fn scalars_are_those_of_json() {
        let text = "[1, -2, 1.5, true, null, on, yes, '5', 2026-11-22, ~, 1e3]";
        let value = read_value(&file("scalars.yaml", text)).unwrap();

        assert_eq!(value, json!([1, -2, 1.5, true, null, "on", "yes", "5", "2026-11-22", null, 1000.0]));
    }

    #[test]
    fn what_json_has_not_is_refused_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: 2\na: 3\n", 3),
            ("a: .inf\n", 1),
            ("a: [1, 2\n", 1),
            ("a: \"x\\0y\"\n", 1),
            ("? [1, 2]\n: 3\n", 1),
            ("a: !!binary AQID\nb: *nowhere\n", 2),
        ] {
            let (code, found) = code_of("bad.yaml", text);
            assert_eq!((code, found), ("invalid_yaml", Some(line)), "{text:?}");
        }
        assert_eq!(code_of("bad.json", "{\n \"a\": 1,\n \"a\": 2 }"), ("invalid_json", Some(3)));
        assert_eq!(code_of("bad.json", "{\"a\": \"x\\u0000\"}"), ("invalid_json", Some(1)));
    }

    #[test]
    fn aliases_work_but_a_bomb_of_them_does_not() {
        let value = read_value(&file("alias.yaml", "a: &x {n: 1}\nb: *x\n")).unwrap();
        assert_eq!(value, json!({ "a": { "n": 1 }, "b": { "n": 1 } }));

        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
        }
        assert_eq!(code_of("bomb.yaml", &bomb).0, "invalid_yaml");
    }

    #[test]
    fn a_file_without_a_document_or_with_too_much_is_refused() {
        assert_eq!(code_of("empty.yaml", "# nothing\n"), ("empty_file", None));
        assert_eq!(code_of("large.yaml", &"#".repeat(FILE_BYTES_MAX + 1)), ("file_too_large", None));
        assert_eq!(code_of("deep.yaml", &"[".repeat(100)).0, "invalid_yaml");
    }

    #[test]
    fn a_value_is_one_document() {
        assert!(read_value(&file("two.yaml", "a: 1\n---\nb: 2\n")).is_err());
    }
}
