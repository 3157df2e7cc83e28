//! What is known of a connection by listening to it: which statements it has prepared, whether it is in a
//! transaction, and whether what it asks for now ends with a commit.
//!
//! # Invariants
//!
//! 1. A request is what a client sends up to a `Sync` or a simple query: the server answers all of it with one
//!    `ReadyForQuery`.
//! 2. A commit is a request outside of a transaction that writes, or a `COMMIT` inside of one.

use std::collections::HashMap;

use super::{
    statement::{Statement, Target},
    wire::Message,
};

/// A connection, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    statements: HashMap<String, Statement>,
    portals: HashMap<String, Statement>,
    /// What the request does that is being sent.
    request: Option<Statement>,
    /// What was written in the transaction that is open.
    written: Option<Target>,
    is_in_transaction: bool,
    /// Requests that were not answered yet.
    unanswered: u32,
}

/// What a message of a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A part of a request.
    Some,
    /// What the server is to look at already, though it is not all.
    Flush,
    /// The end of a request. If that commits: what was written.
    Last(Option<Target>),
}

impl Conversation {
    /// Takes in what the client sends.
    pub(crate) fn sent(&mut self, message: &Message) -> Part {
        match message.kind() {
            b'P' => {
                let [name, sql] = message.texts();
                self.statements.insert(name.to_owned(), Statement::read(sql));
            }
            b'B' => {
                let [portal, name] = message.texts();
                let bound = self.statements.get(name).copied().unwrap_or(Statement::NOTHING);
                self.portals.insert(portal.to_owned(), bound);
            }
            b'E' => {
                let [portal] = message.texts();
                let executed = self.portals.get(portal).copied().unwrap_or(Statement::NOTHING);
                self.add(executed);
            }
            b'Q' => {
                let [sql] = message.texts();
                self.add(Statement::read(sql));
                return Part::Last(self.end_request());
            }
            b'S' => return Part::Last(self.end_request()),
            b'C' | b'D' => {}
            _ => return Part::Flush,
        }
        Part::Some
    }

    /// Takes in what the server says; whether that ends the answer to a request.
    pub(crate) fn received(&mut self, message: &Message) -> bool {
        if message.kind() != b'Z' {
            return false;
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        self.is_in_transaction = message.body().first() == Some(&b'T');
        if !self.is_in_transaction {
            self.written = None;
        }
        true
    }

    /// How many requests the server has not answered.
    pub(crate) const fn unanswered(&self) -> u32 {
        self.unanswered
    }

    fn add(&mut self, statement: Statement) {
        self.request = Some(self.request.map_or(statement, |before| before.and(statement)));
    }

    fn end_request(&mut self) -> Option<Target> {
        let request = self.request.take().unwrap_or(Statement::NOTHING);
        // Behind a request that was not answered, it is not known whether there is a transaction.
        let is_known = self.unanswered == 0;
        self.unanswered += 1;
        if !self.is_in_transaction {
            return request.writes.filter(|_| is_known);
        }
        if let Some(target) = request.writes {
            self.written = Some(self.written.map_or(target, |known| known.min(target)));
        }
        self.written.filter(|_| request.commits && is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::wire::tests::message, *};

    fn ready(status: u8) -> Message {
        message(b'Z', &[status])
    }

    fn prepared(name: &str, sql: &str) -> Conversation {
        let mut conversation = Conversation::default();
        assert!(conversation.received(&ready(b'I')));
        assert_eq!(conversation.sent(&message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())), Part::Some);
        assert_eq!(conversation.sent(&message(b'D', format!("S{name}\0").as_bytes())), Part::Some);
        assert_eq!(conversation.sent(&message(b'S', b"")), Part::Last(None));
        assert!(conversation.received(&ready(b'I')));
        conversation
    }

    fn execute(conversation: &mut Conversation, name: &str) -> Part {
        assert_eq!(conversation.sent(&message(b'B', format!("\0{name}\0").as_bytes())), Part::Some);
        assert_eq!(conversation.sent(&message(b'E', b"\0\0\0\0\0")), Part::Some);
        conversation.sent(&message(b'S', b""))
    }

    #[test]
    fn a_prepared_statement_that_writes_commits_each_time_it_is_executed() {
        let mut conversation = prepared("s1", "INSERT INTO step_runs SELECT 1");
        for _ in 0..2 {
            assert_eq!(execute(&mut conversation, "s1"), Part::Last(Some(Target::Journal)));
            conversation.received(&ready(b'I'));
        }
        assert_eq!(execute(&mut conversation, "another"), Part::Last(None));
    }

    #[test]
    fn in_a_transaction_only_its_commit_is_one() {
        let mut conversation = prepared("s1", "INSERT INTO events SELECT 1");
        assert_eq!(conversation.sent(&message(b'Q', b"BEGIN\0")), Part::Last(None));
        conversation.received(&ready(b'T'));
        assert_eq!(execute(&mut conversation, "s1"), Part::Last(None));
        conversation.received(&ready(b'T'));
        assert_eq!(conversation.sent(&message(b'Q', b"COMMIT\0")), Part::Last(Some(Target::Event)));
        conversation.received(&ready(b'I'));
        assert_eq!(conversation.sent(&message(b'Q', b"COMMIT\0")), Part::Last(None));
    }

    #[test]
    fn a_rollback_and_a_failed_transaction_commit_nothing() {
        let mut conversation = prepared("s1", "UPDATE workers SET a = 1");
        conversation.sent(&message(b'Q', b"BEGIN\0"));
        conversation.received(&ready(b'T'));
        execute(&mut conversation, "s1");
        conversation.received(&ready(b'E'));
        assert_eq!(conversation.sent(&message(b'Q', b"COMMIT\0")), Part::Last(None));
    }

    #[test]
    fn what_follows_an_unanswered_request_is_not_taken_for_a_commit() {
        let mut conversation = prepared("s1", "INSERT INTO step_runs SELECT 1");
        assert_eq!(conversation.sent(&message(b'Q', b"ROLLBACK\0")), Part::Last(None));
        assert_eq!(execute(&mut conversation, "s1"), Part::Last(None));
        assert_eq!(conversation.unanswered(), 2);
    }
}
