//! Reading files of documents.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;
use turbocat_application::SourceFile;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Reads a file; `-` is standard input.
///
/// # Errors
///
/// If it cannot be read, or is no text.
pub(super) fn read(path: &Path) -> anyhow::Result<SourceFile> {
    if path == Path::new(STANDARD_INPUT) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(SourceFile { name: "<stdin>".to_owned(), text });
    }
    let text = fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(SourceFile { name: path.display().to_string(), text })
}

/// Reads files.
///
/// # Errors
///
/// For the first that cannot be read.
pub(super) fn read_all(paths: &[PathBuf]) -> anyhow::Result<Vec<SourceFile>> {
    paths.iter().map(|path| read(path)).collect()
}
