//! What is wrong with a document: all of it at once, each with its place.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of problem it is: `dag_cycle`, `unknown_key`, … Stable, snake case.
    pub code: &'static str,
    /// Where it is: `steps[2].inputs.query`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what is allowed, for a person.
    pub message: String,
}

impl Problem {
    /// A problem of this kind, at this place.
    #[must_use]
    pub fn new(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// Everything that is wrong, in the order in which it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many problems there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds a problem of this kind, at this place.
    pub fn add(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::new(code, path, message));
    }

    /// Turns problems into an error.
    ///
    /// # Errors
    ///
    /// The problems, if there are any.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Problems {
        let mut problems = Problems::default();
        problems.add("dag_cycle", "", "a waits for b, b waits for a");
        problems.add("unknown_key", "steps[2].inputs.query", "`query` is not known");
        problems
    }

    #[test]
    fn problems_are_shown_one_a_line_each_with_its_place() {
        assert_eq!(
            two().to_string(),
            "a waits for b, b waits for a (dag_cycle)\nsteps[2].inputs.query: `query` is not known (unknown_key)"
        );
    }

    #[test]
    fn no_problem_is_no_error() {
        assert_eq!(Problems::default().into_result(), Ok(()));
        assert_eq!(two().into_result(), Err(two()));
    }

    #[test]
    fn problems_are_a_list_in_json() {
        let first = json!({"code": "dag_cycle", "path": "", "message": "a waits for b, b waits for a"});

        assert_eq!(serde_json::to_value(two()).unwrap()[0], first);
    }
}
