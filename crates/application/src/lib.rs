//! The use cases of Turbocat: what adapters and embedders call. It knows ports, no database, network or runtime.
//!
//! # How to add a use case
//!
//! One file with its request, its answer, and an `impl` [`UseCases`] of one method: check, write in one unit of work, act.
//!
//! # Invariants
//!
//! 1. What is not valid is refused as a whole, with all its problems, and nothing is stored.
//! 2. What belongs to somebody else is answered as if it did not exist.
//! 3. An audit entry is in the transaction of the change that it tells of.

mod access;
mod actor;
mod agent_types;
mod audit;
mod budget;
mod bulk;
mod deployment;
mod error;
mod execution;
mod idempotency;
mod library;
mod origin;
mod password;
mod publish;
mod secret;
mod seed;
mod source;
mod template;
mod trigger;
mod use_cases;
mod user;
mod waiting;
mod webhook;

pub use access::{
    Access, AccessPorts, Caller, Credential, IssuedKey, LogIn, LoggedIn, NewKey, NoRandomness, RateState, SecretSource,
    Token, Via,
};
pub use actor::Actor;
pub use agent_types::{AgentTypeInfo, agent_types};
pub use budget::{NewBudget, UsageRequest};
pub use deployment::{
    DeploymentChange, DeploymentContent, DeploymentSettings, DeploymentSource, EndpointCall, Health, Standing,
};
pub use error::{Error, InvalidInput, Result};
pub use execution::{Selector, StartExecution, Started};
pub use idempotency::Idempotency;
pub use origin::Origin;
pub use password::{Argon2Hasher, Match, PasswordError, PasswordHasher, Passwords};
pub use publish::{Change, PublishReport, Published, PublishedKind, Reading};
pub use secret::{NewSecret, Rotation, SecretInfo, StoredSecrets};
pub use seed::{ADMIN_EMAIL, OfficialTemplate, SeedReport, official_templates};
pub use source::{AgentDocument, Capabilities, LocatedProblem, SourceFile, read_value};
pub use template::{TemplateChange, TemplateContent, TemplateCopy, TemplateUse};
pub use use_cases::{AgentConfigValidator, Ports, UseCases};
pub use user::{AccountChange, NewAccount};
pub use waiting::{RefusedStart, SendEvent, SentEvent};
pub use webhook::WebhookCall;
