//! The two things that the rules may not make for themselves, and a check that there is nothing to check with.

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use serde_json::Value;
use turbocat_application::AgentConfigValidator;
use turbocat_domain::{
    agent::AgentType,
    port::{Clock, IdGenerator},
    problem::Problems,
};
use uuid::Uuid;

/// The system's clock, cut to microseconds.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the bench's adapter of the port")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// UUIDs of version 7, from the system's clock and randomness.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct UuidV7;

impl IdGenerator for UuidV7 {
    #[expect(clippy::disallowed_methods, reason = "this is the bench's adapter of the port")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Takes every config: the bench publishes its own documents, and runs their agents itself.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct AnyConfig;

#[async_trait]
impl AgentConfigValidator for AnyConfig {
    async fn check(&self, _: AgentType, _: &Value) -> Result<(), Problems> {
        Ok(())
    }
}
