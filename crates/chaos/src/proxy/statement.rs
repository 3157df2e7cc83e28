//! What a statement does, as far as its text tells.

/// What is written, the most interesting first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A batch of the journal.
    Journal,
    /// New executions.
    Birth,
    /// An event.
    Event,
    /// Executions that get an owner.
    Claim,
    /// The lease of a worker.
    Lease,
    /// Something else.
    Other,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement {
    /// What it writes, if it does.
    pub(crate) writes: Option<Target>,
    /// Whether it ends a transaction and keeps what was done in it.
    pub(crate) commits: bool,
}

impl Statement {
    /// What a text does.
    pub(crate) fn read(sql: &str) -> Self {
        let words = words(sql);
        let commits = matches!(words.first().map(String::as_str), Some("COMMIT" | "END"));
        Self { writes: target(&words), commits }
    }

    /// What two statements do together.
    pub(crate) fn and(self, other: Self) -> Self {
        let writes = match (self.writes, other.writes) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { writes, commits: self.commits || other.commits }
    }

    /// What nothing does.
    pub(crate) const NOTHING: Self = Self { writes: None, commits: false };
}

/// The words of a statement without its comments, in capitals.
fn words(sql: &str) -> Vec<String> {
    let code = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let words = code.flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_')));
    words.filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect()
}

fn target(words: &[String]) -> Option<Target> {
    let pairs = words.iter().zip(words.iter().skip(1)).map(|(one, two)| (one.as_str(), two.as_str()));
    let mut before = "";
    let mut found: Option<Target> = None;
    for (verb, object) in pairs {
        let name = match (before, verb) {
            // `FOR UPDATE` locks, and `DO UPDATE` belongs to an insert.
            ("FOR" | "KEY" | "DO", _) => None,
            ("INSERT", "INTO") | ("DELETE", "FROM") | (_, "UPDATE") => Some((verb, object)),
            _ => None,
        };
        before = verb;
        let Some(name) = name else { continue };
        let target = match name {
            ("INTO", "STEP_RUNS") => Target::Journal,
            ("INTO", "EXECUTIONS") => Target::Birth,
            ("INTO", "EVENTS") => Target::Event,
            ("UPDATE", "EXECUTIONS") => Target::Claim,
            (_, "WORKERS") => Target::Lease,
            _ => Target::Other,
        };
        found = Some(found.map_or(target, |known| known.min(target)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(sql: &str) -> Option<Target> {
        Statement::read(sql).writes
    }

    #[test]
    fn what_is_written_is_read_from_the_text() {
        assert_eq!(writes("WITH x AS (SELECT 1) INSERT INTO step_runs (a) SELECT 1"), Some(Target::Journal));
        assert_eq!(writes("UPDATE executions SET a = 1; INSERT INTO step_runs"), Some(Target::Journal));
        assert_eq!(writes("update workers\nset lease_until = 1"), Some(Target::Lease));
        assert_eq!(writes("INSERT INTO waits (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1"), Some(Target::Other));
        assert_eq!(writes("DELETE FROM counter_deltas"), Some(Target::Other));
    }

    #[test]
    fn a_lock_and_a_comment_write_nothing() {
        assert_eq!(writes("SELECT id FROM workers ORDER BY id FOR UPDATE"), None);
        assert_eq!(writes("SELECT id FROM executions FOR NO KEY UPDATE OF executions"), None);
        assert_eq!(writes("-- INSERT INTO step_runs\nSELECT 1"), None);
        assert_eq!(writes("SELECT updated_at FROM executions"), None);
    }

    #[test]
    fn a_commit_is_known_however_it_is_written() {
        assert!(Statement::read("COMMIT").commits);
        assert!(Statement::read("commit;").commits);
        assert!(!Statement::read("ROLLBACK").commits);
        assert!(!Statement::read("SELECT 'COMMIT'").commits);
    }
}
