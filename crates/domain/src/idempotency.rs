//! Requests that may be sent again: the first one with a key does the work, the others get its answer.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::id::UserId;

/// What is remembered of the first request with a key.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyRecord {
    /// Whose key it is: two users may choose the same.
    pub user_id: UserId,
    /// The key, as the client chose it.
    pub key: String,
    /// What was asked for, and with which body: another request with the key is refused.
    pub fingerprint: String,
    /// The id that was minted for what the request makes: it is made under this id however often it is tried.
    pub resource_id: Uuid,
    /// The answer, where the work and the answer are one transaction; `None` where the resource tells.
    pub answer: Option<Value>,
    /// When the first request came in.
    pub created_at: DateTime<Utc>,
}

impl IdempotencyRecord {
    /// The longest key, in characters.
    pub const KEY_CHARS_MAX: usize = 255;

    /// Whether a text can be a key: 1 to 255 visible characters of ASCII.
    #[must_use]
    pub fn is_key(text: &str) -> bool {
        (1..=Self::KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_visible() {
        assert!(IdempotencyRecord::is_key("a") && IdempotencyRecord::is_key(&"k".repeat(255)));
        for text in ["", "a b", "a\n", "ä", &"k".repeat(256)] {
            assert!(!IdempotencyRecord::is_key(text), "{text:?}");
        }
    }
}
