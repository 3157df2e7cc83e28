//! Typed identifiers: one type an aggregate, so that a user's id is never taken for an agent's.
//!
//! Identifiers are UUIDs (version 7 by convention, for locality in indexes). The domain mints
//! none: they come from [`IdGenerator`](crate::port::IdGenerator) or from a stored row.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an identifier: expected a UUID, or `{prefix}_` and a UUID")]
pub struct ParseIdError {
    /// What was given.
    pub text: String,
    /// The prefix that this kind of identifier has.
    pub prefix: &'static str,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The kind that the text form names.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps an identifier that was minted elsewhere (a port, a row, a request).
            #[must_use]
            pub const fn from_uuid(raw: Uuid) -> Self {
                Self(raw)
            }

            /// Returns the bare UUID, for adapters that store or print it.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", Self::PREFIX, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let bare = text.strip_prefix(concat!($prefix, "_")).unwrap_or(text);
                Uuid::parse_str(bare)
                    .map(Self)
                    .map_err(|_| ParseIdError { text: text.to_owned(), prefix: Self::PREFIX })
            }
        }
    };
}

typed_id!(
    /// Identifies a user.
    UserId, "usr"
);
typed_id!(
    /// Identifies one version of an agent.
    AgentId, "agt"
);
typed_id!(
    /// Identifies one version of a workflow.
    WorkflowId, "wfl"
);
typed_id!(
    /// Identifies a step of one version of a workflow.
    WorkflowStepId, "stp"
);
typed_id!(
    /// Identifies one execution of a workflow.
    ExecutionId, "exe"
);
typed_id!(
    /// Identifies a line of an execution's log.
    ExecutionLogId, "log"
);
typed_id!(
    /// Identifies a template.
    TemplateId, "tpl"
);
typed_id!(
    /// Identifies a deployment.
    DeploymentId, "dpl"
);
typed_id!(
    /// Identifies a revision of a deployment.
    DeploymentRevisionId, "rev"
);
typed_id!(
    /// Identifies an API key (not the key itself).
    ApiKeyId, "key"
);
typed_id!(
    /// Identifies a budget.
    BudgetId, "bud"
);
typed_id!(
    /// Identifies an entry of the audit log.
    AuditLogId, "aud"
);
typed_id!(
    /// Identifies one life of a worker process: a process that was fenced registers anew.
    WorkerId, "wrk"
);
typed_id!(
    /// Identifies a session of a user.
    SessionId, "ses"
);
typed_id!(
    /// Identifies an event that executions may wait for.
    EventId, "evt"
);
typed_id!(
    /// Identifies a secret of a user.
    SecretId, "sec"
);
typed_id!(
    /// Identifies a token that was sent to a user (not the token itself).
    UserTokenId, "utk"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form_with_and_without_the_prefix() {
        let raw = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        let id = ExecutionId::from_uuid(raw);

        assert_eq!(id.to_string(), "exe_01920000000070008000000000000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(raw.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused_by_name() {
        let error = "usr_01920000000070008000000000000001".parse::<ExecutionId>().unwrap_err();

        assert_eq!(
            error.to_string(),
            "`usr_01920000000070008000000000000001` is not an identifier: expected a UUID, or `exe_` and a UUID"
        );
    }
}
