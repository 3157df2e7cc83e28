//! The two things that the rules may not make for themselves, and small adapters between the crates.

mod agent_configs;
mod clock;
mod ids;
mod key_ring;
mod metrics;
mod passwords;
mod secrets;

pub(crate) use self::{
    agent_configs::AgentConfigs,
    clock::SystemClock,
    ids::UuidV7,
    key_ring::{KeyRing, KeySource},
    metrics::{HttpMeter, Metrics},
    passwords::BlockingPasswords,
    secrets::SystemSecrets,
};
