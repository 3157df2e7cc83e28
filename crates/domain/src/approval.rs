//! Decisions that executions wait for: which stand open, who may take them, and what is taken.
//!
//! # Invariants
//!
//! 1. Who decides is known: `by` of a decision is the address of the account that took it, and no client writes it.
//! 2. With approvers nobody else decides, and who owns the execution only if `allow_self` says so.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    id::{ExecutionId, UserId, WorkflowId},
    problem::Problems,
    value::Email,
};

/// A decision that an execution waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingApproval {
    /// The execution.
    pub execution_id: ExecutionId,
    /// When that was accepted.
    pub created_at: DateTime<Utc>,
    /// The version of the workflow that it runs.
    pub workflow_id: WorkflowId,
    /// The name of that.
    pub workflow_name: String,
    /// Whose it is.
    pub user_id: UserId,
    /// The path of the step that waits.
    pub path: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who is asked, and what (`approval` of the step).
    pub rules: Value,
    /// What was decided so far, oldest first.
    pub decisions: Vec<Value>,
}

/// What somebody decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Whether it may go on.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
    /// Which of the buttons was pressed.
    pub button: Option<String>,
    /// What was filled into the form.
    pub data: Option<Value>,
}

impl Decision {
    /// The longest comment, in characters.
    pub const COMMENT_CHARS_MAX: usize = 4_000;

    /// What the execution is told.
    #[must_use]
    pub fn payload(self, by: &Email) -> Value {
        let mut payload =
            Map::from_iter([("approved".to_owned(), json!(self.approved)), ("by".to_owned(), json!(by.as_str()))]);
        let members = [
            ("comment", self.comment.map(Value::String)),
            ("button", self.button.map(Value::String)),
            ("data", self.data),
        ];
        payload.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Value::Object(payload)
    }
}

impl WaitingApproval {
    /// What a user may be called among the approvers: the address, or the id.
    #[must_use]
    pub fn names_of(user: UserId, email: &Email) -> [String; 2] {
        [email.as_str().to_owned(), user.to_string()]
    }

    /// Whether a user is asked, or owns the execution.
    #[must_use]
    pub fn concerns(&self, user: UserId, email: &Email) -> bool {
        self.user_id == user || self.is_asked(user, email)
    }

    /// Whether a user may decide.
    #[must_use]
    pub fn may_be_decided_by(&self, user: UserId, email: &Email) -> bool {
        let is_own = self.user_id == user;
        if self.names("approvers").next().is_none() {
            return is_own;
        }
        let allows_own = self.rules.get("allow_self").and_then(Value::as_bool).unwrap_or_default();
        self.is_asked(user, email) && (!is_own || allows_own)
    }

    /// Whether somebody has decided already.
    #[must_use]
    pub fn was_decided_by(&self, email: &Email) -> bool {
        self.decisions.iter().any(|decision| decision.get("by").and_then(Value::as_str) == Some(email.as_str()))
    }

    /// What must be filled in, as a JSON Schema.
    #[must_use]
    pub fn form(&self) -> Option<&Value> {
        self.rules.get("form")
    }

    /// What is wrong with a decision, besides what the form says of its data.
    #[must_use]
    pub fn check(&self, decision: &Decision) -> Problems {
        let mut problems = Problems::default();
        let has_nul = |text: &String| text.contains('\0');
        if decision.comment.as_ref().is_some_and(|text| text.chars().count() > Decision::COMMENT_CHARS_MAX) {
            let message = format!("it may have at most {} characters", Decision::COMMENT_CHARS_MAX);
            problems.add("too_long", "comment", message);
        }
        if decision.comment.as_ref().is_some_and(has_nul) {
            problems.add("invalid_text", "comment", "text may not have the character NUL");
        }
        if let Some(button) = &decision.button
            && self.names("buttons").all(|name| name != button)
        {
            let names = self.names("buttons").collect::<Vec<_>>().join(", ");
            let message = if names.is_empty() { "there are no buttons".to_owned() } else { format!("one of: {names}") };
            problems.add("unknown_button", "button", message);
        }
        if decision.data.is_some() && self.form().is_none() {
            problems.add("not_allowed", "data", "there is no form to be filled in");
        }
        problems
    }

    fn is_asked(&self, user: UserId, email: &Email) -> bool {
        let names = Self::names_of(user, email);
        self.names("approvers").any(|approver| names.iter().any(|name| name == approver))
    }

    fn names(&self, key: &str) -> impl Iterator<Item = &str> {
        self.rules.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const OWNER: UserId = UserId::from_uuid(Uuid::from_u128(1));
    const OTHER: UserId = UserId::from_uuid(Uuid::from_u128(2));

    fn waiting(rules: Value) -> WaitingApproval {
        WaitingApproval {
            execution_id: ExecutionId::from_uuid(Uuid::nil()),
            created_at: DateTime::UNIX_EPOCH,
            workflow_id: WorkflowId::from_uuid(Uuid::nil()),
            workflow_name: "w".to_owned(),
            user_id: OWNER,
            path: "ask".to_owned(),
            since: DateTime::UNIX_EPOCH,
            rules,
            decisions: vec![json!({ "approved": true, "by": "ada@example.com" })],
        }
    }

    #[test]
    fn who_is_asked_decides_and_nobody_else() {
        let (owner, other) = (Email::parse("owner@x.io").unwrap(), Email::parse("ada@example.com").unwrap());
        let who = |rules: Value| {
            let waiting = waiting(rules);
            (waiting.may_be_decided_by(OWNER, &owner), waiting.may_be_decided_by(OTHER, &other))
        };

        assert_eq!(who(json!({})), (true, false));
        assert_eq!(who(json!({ "approvers": ["ada@example.com"] })), (false, true));
        assert_eq!(who(json!({ "approvers": [OTHER.to_string()] })), (false, true));
        assert_eq!(who(json!({ "approvers": ["owner@x.io"] })), (false, false), "nobody approves their own");
        assert_eq!(who(json!({ "approvers": ["owner@x.io"], "allow_self": true })), (true, false));
        assert!(waiting(json!({})).was_decided_by(&other) && !waiting(json!({})).was_decided_by(&owner));
        assert!(waiting(json!({})).concerns(OWNER, &owner) && !waiting(json!({})).concerns(OTHER, &other));
    }

    #[test]
    fn a_decision_says_who_took_it_and_what_is_asked() {
        let by = Email::parse("ada@example.com").unwrap();
        let decision = Decision { approved: true, button: Some("later".to_owned()), ..Decision::default() };
        let rules = json!({ "buttons": ["now", "later"] });

        assert!(waiting(rules).check(&decision).is_empty());
        assert_eq!(waiting(json!({})).check(&decision).len(), 1);
        let payload = decision.payload(&by);
        assert_eq!(payload, json!({ "approved": true, "by": "ada@example.com", "button": "later" }));
        let filled = Decision { data: Some(json!(1)), comment: Some("\0".repeat(4_001)), ..Decision::default() };
        assert_eq!(waiting(json!({})).check(&filled).len(), 3);
        assert!(waiting(json!({ "form": {} })).check(&Decision { comment: None, ..filled }).is_empty());
    }
}
