//! The two things that the rules may not make for themselves, and small adapters between the crates.

mod agent_configs;
mod clock;
mod ids;
mod key_ring;
mod log_mailer;
mod metrics;
mod passwords;
mod secrets;
mod smtp_mailer;

pub(crate) use self::{
    agent_configs::AgentConfigs,
    clock::SystemClock,
    ids::UuidV7,
    key_ring::{KeyRing, KeySource},
    log_mailer::LogMailer,
    metrics::{HttpMeter, Metrics},
    passwords::BlockingPasswords,
    secrets::SystemSecrets,
    smtp_mailer::SmtpMailer,
};
