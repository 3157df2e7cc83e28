//! The files of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// A file of Rust.
pub(crate) struct Source {
    /// Its path in the workspace.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// Whether all of it is for tests.
    pub(crate) fn is_test(&self) -> bool {
        let of_tests = |part: &str| matches!(part, "tests" | "tests.rs" | "benches") || part.ends_with("_tests.rs");
        self.path.split('/').any(of_tests) || self.path.starts_with("crates/testkit/")
    }

    /// What of it is built into the product: the lines before the tests at its end.
    pub(crate) fn product(&self) -> &str {
        if self.is_test() { "" } else { self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default() }
    }

    /// What of it is only for tests.
    pub(crate) fn tests(&self) -> &str {
        &self.text[self.product().len()..]
    }
}

/// All files of Rust, in the order of their paths.
pub(crate) fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in ["crates", "migration", "tests"] {
        collect(&root().join(folder), &mut sources);
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            sources.push(Source { path, text });
        }
    }
}

/// Fails with all that was found, a line each.
pub(crate) fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}
