//! The statements of access: rates, the use of keys, repeated requests.

use chrono::NaiveDateTime;
use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

/// The parameters of `take_rate`.
pub(crate) struct RateValues {
    pub(crate) subject: String,
    /// Microseconds until the next permit.
    pub(crate) each_us: i64,
    pub(crate) burst: i64,
    pub(crate) wanted: i64,
}

pub(crate) fn take_rate(values: RateValues) -> Statement {
    statement!("take_rate", values.subject, values.each_us, values.burst, values.wanted)
}

pub(crate) fn record_key_uses(ids: Vec<Uuid>, counts: Vec<i64>, last_used_at: Vec<NaiveDateTime>) -> Statement {
    statement!("record_key_uses", ids, counts, last_used_at)
}

pub(crate) fn prune_access() -> Statement {
    statement!("prune_access")
}

/// The parameters of `claim_idempotency_key`.
pub(crate) struct ClaimValues {
    pub(crate) user_id: Uuid,
    pub(crate) key: String,
    pub(crate) fingerprint: String,
    pub(crate) resource_id: Uuid,
    pub(crate) created_at: NaiveDateTime,
    /// What is older is forgotten.
    pub(crate) since: NaiveDateTime,
}

pub(crate) fn claim_idempotency_key(values: ClaimValues) -> Statement {
    statement!(
        "claim_idempotency_key",
        values.user_id,
        values.key,
        values.fingerprint,
        values.resource_id,
        values.created_at,
        values.since,
    )
}

pub(crate) fn find_idempotency_key(user: Uuid, key: &str) -> Statement {
    statement!("find_idempotency_key", user, key)
}

pub(crate) fn answer_idempotency_key(user: Uuid, key: &str, answer: String) -> Statement {
    statement!("answer_idempotency_key", user, key, answer)
}
