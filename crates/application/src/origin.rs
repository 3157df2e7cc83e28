//! Where a request came from, for the audit log.

use std::net::IpAddr;

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the other side.
    pub ip_address: Option<IpAddr>,
    /// What program sent it.
    pub user_agent: Option<String>,
    /// The id under which the request is in the log.
    pub request_id: Option<String>,
}

impl Origin {
    /// The longest name of a program that is kept, in characters.
    pub const USER_AGENT_CHARS_MAX: usize = 500;

    /// The name of the program, cut to what is kept.
    #[must_use]
    pub fn with_user_agent(self, user_agent: &str) -> Self {
        let kept = user_agent.chars().filter(|c| !c.is_control()).take(Self::USER_AGENT_CHARS_MAX).collect();
        Self { user_agent: Some(kept), ..self }
    }
}
