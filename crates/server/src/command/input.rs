//! The input of an execution, as it is given on the command line.

use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use turbocat_application::{SourceFile, read_value};

use super::source;

/// Reads an input: JSON, `@file`, `-`, or nothing.
///
/// # Errors
///
/// If it cannot be read, or is not what its form says.
pub(super) fn read(input: Option<&str>) -> anyhow::Result<Value> {
    match input {
        None => Ok(json!({})),
        Some("-") => parse_json("standard input", source::read(Path::new("-"))?.text),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => read_file(Path::new(path)),
            None => parse_json("--input", text.to_owned()).with_context(|| hint(text)),
        },
    }
}

/// What was probably meant by an input that is none.
fn hint(text: &str) -> String {
    if Path::new(text).is_file() {
        return format!("a file is given as `@{text}`");
    }
    "an input is JSON, or `@` and the name of a file, or `-` for standard input".to_owned()
}

/// A file of JSON or YAML is its value; any other text is its name and text; what parses as JSON is JSON, however
/// it is called.
fn read_file(path: &Path) -> anyhow::Result<Value> {
    let file = source::read(path)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if matches!(extension, "json" | "yaml" | "yml") {
        return read_value(&file).map_err(|problem| anyhow!("{problem}"));
    }
    let as_json = SourceFile { name: format!("{}.json", file.name), text: file.text };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(read_value(&as_json).unwrap_or_else(|_| json!({ "name": name, "text": as_json.text })))
}

fn parse_json(name: &str, text: String) -> anyhow::Result<Value> {
    let file = SourceFile { name: format!("{name}.json"), text };
    read_value(&file).map_err(|problem| anyhow!("{name} is no JSON: {}", problem.problem.message))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(name: &str, text: &str) -> String {
        let folder = std::env::temp_dir().join(format!("turbocat-input-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        format!("@{}", path.display())
    }

    #[test]
    fn nothing_is_an_empty_object_and_json_is_itself() {
        assert_eq!(read(None).unwrap(), json!({}));
        assert_eq!(read(Some(r#"{"a": [1]}"#)).unwrap(), json!({ "a": [1] }));
        assert_eq!(read(Some("-5")).unwrap(), json!(-5));
    }

    #[test]
    fn a_file_is_its_value_or_its_name_and_text() {
        assert_eq!(read(Some(&file("a.json", "[1]"))).unwrap(), json!([1]));
        assert_eq!(read(Some(&file("a.yaml", "b: 2"))).unwrap(), json!({ "b": 2 }));
        assert_eq!(read(Some(&file("data", "{\"c\": 3}"))).unwrap(), json!({ "c": 3 }));
        assert_eq!(read(Some(&file("Cargo.lock", "x = 1"))).unwrap(), json!({ "name": "Cargo.lock", "text": "x = 1" }));
    }

    #[test]
    fn a_file_without_its_sign_is_recognised() {
        let given = file("forgotten.lock", "x = 1");
        let error = read(given.strip_prefix('@')).unwrap_err();

        assert_eq!(error.to_string(), format!("a file is given as `{given}`"));
    }

    #[test]
    fn what_is_none_says_why() {
        for wrong in
            ["{a: 1}".to_owned(), "@/does/not/exist".to_owned(), file("bad.json", "{"), file("bad.yaml", "a: [")]
        {
            assert!(read(Some(&wrong)).is_err(), "{wrong}");
        }
    }
}
