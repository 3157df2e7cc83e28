//! Documents as they are written: files of YAML (several documents a file) or JSON, with places for every problem.

mod agent;
mod capabilities;
mod fields;
mod node;
mod read;

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use turbocat_domain::problem::{Problem, Problems};

pub use self::{agent::AgentDocument, capabilities::Capabilities, read::read_value};
pub(crate) use self::{node::Node, read::read};

/// A file with documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What it is called, for messages; `.json` makes it JSON, anything else is YAML.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// One document of a file.
#[derive(Debug, Clone)]
pub(crate) struct SourceDocument {
    /// The file.
    pub(crate) file: String,
    /// Which document of the file it is, from 1.
    pub(crate) index: usize,
    /// What it says.
    pub(crate) value: Value,
    node: Node,
}

impl SourceDocument {
    /// Puts problems of the document at their place in the file.
    pub(crate) fn locate(&self, problems: Problems) -> impl Iterator<Item = LocatedProblem> + '_ {
        problems.into_iter().map(|problem| LocatedProblem {
            file: self.file.clone(),
            document: self.index,
            line: self.node.line_of(&problem.path),
            problem,
        })
    }
}

/// Something that is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocatedProblem {
    /// The file.
    pub file: String,
    /// Which document of the file, from 1; 0 when the file could not be read as documents.
    pub document: usize,
    /// The line of the file, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

impl fmt::Display for LocatedProblem {
    /// The form that editors know: `file:line: path: message [code]`, `file#document: …` where there is no line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.line {
            Some(line) => write!(f, ":{line}: ")?,
            None if self.document > 0 => write!(f, "#{}: ", self.document)?,
            None => f.write_str(": ")?,
        }
        if !self.problem.path.is_empty() {
            write!(f, "{}: ", self.problem.path)?;
        }
        write!(f, "{} [{}]", self.problem.message, self.problem.code)
    }
}
