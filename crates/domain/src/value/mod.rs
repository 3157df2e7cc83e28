//! Values that are right by construction: parsed once, at the border, and trusted from there on.
//!
//! Every value object has `parse`, `as_str`, `Display`, `FromStr` and serde through its text; its error
//! says what was given, what is wrong with it and what is allowed. Every closed set of words is an enum
//! made by `text_enum!`.
//!
//! # Invariants
//!
//! 1. `parse(x.as_str()) == x` for every value `x`.
//! 2. A value fits the column that it is stored in.

mod category;
mod cron;
mod email;
pub mod json_text;
mod life_cycle;
mod metric;
mod name;
mod nearest;
mod scope;
mod search;
mod secret_hash;
mod secret_name;
mod soft_delete;
mod step_key;
mod tag;
mod text;
mod time_zone;
mod version;

pub use self::{
    category::{Category, InvalidCategory},
    cron::{CronExpression, InvalidCronExpression},
    email::{Email, InvalidEmail},
    metric::{average_ms, duration_ms},
    name::{InvalidName, Name},
    nearest::nearest,
    scope::{InvalidScope, Scope},
    search::{InvalidSearch, Search},
    secret_hash::SecretHash,
    secret_name::{InvalidSecretName, SecretName},
    soft_delete::SoftDelete,
    step_key::{InvalidStepKey, StepKey},
    tag::{InvalidTag, Tag},
    text::UnknownVariant,
    time_zone::{InvalidTimeZone, TimeZone},
    version::{InvalidVersion, Version},
};
pub(crate) use self::{
    life_cycle::publication_status,
    soft_delete::soft_delete,
    text::{excerpt, text_conversions, text_enum, text_value},
};
