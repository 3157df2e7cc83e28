//! What else than people starts a workflow.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{
    reader::{Field, Reader, Sink},
    writer::Writer,
};
use crate::{
    expression::{Expression, ExpressionError, Root, Scope, StepView},
    limits::CATCH_UP_AGE_MAX,
    problem::Problems,
    value::{CronExpression, SecretName, TimeZone, text_enum},
};

/// The triggers of a workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Triggers {
    /// A schedule.
    pub schedule: Option<Schedule>,
    /// A webhook.
    pub webhook: Option<Webhook>,
    /// An event.
    pub event: Option<EventTrigger>,
}

/// When a workflow is started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schedule {
    /// The times.
    pub cron: CronExpression,
    /// The zone in which they are meant.
    pub timezone: TimeZone,
    /// What happens when the execution before still runs.
    pub overlap: Overlap,
    /// How old a missed time may be to be caught up with, in seconds.
    pub catchup_window_s: u32,
    /// Which missed times are caught up with.
    pub catchup: CatchUp,
    /// What happens to a time that a clock change skips.
    pub dst_gap: DstGap,
    /// What happens to a time that a clock change repeats.
    pub dst_fold: DstFold,
    /// By how much a start may be late on purpose, in seconds.
    pub jitter_s: u32,
}

text_enum! {
    /// What happens when it is time and the execution before still runs.
    #[derive(Default)]
    pub enum Overlap: "a rule for overlaps" {
        /// The new one is not started.
        #[default]
        Skip = "skip",
        /// The new one waits.
        Queue = "queue",
        /// Both run.
        Allow = "allow",
    }
}

text_enum! {
    /// Which missed times are caught up with.
    #[derive(Default)]
    pub enum CatchUp: "a rule for missed times" {
        /// The last.
        #[default]
        Last = "last",
        /// All.
        All = "all",
        /// None.
        None = "none",
    }
}

text_enum! {
    /// What happens to a time that a clock change skips.
    #[derive(Default)]
    pub enum DstGap: "a rule for skipped times" {
        /// It is when the gap ends.
        #[default]
        ShiftForward = "shift_forward",
        /// It is not that day.
        Skip = "skip",
    }
}

text_enum! {
    /// What happens to a time that a clock change repeats.
    #[derive(Default)]
    pub enum DstFold: "a rule for repeated times" {
        /// It is the first of both.
        #[default]
        First = "first",
        /// It is the second of both.
        Second = "second",
        /// It is both.
        Both = "both",
    }
}

/// Starts the workflow with what is sent to an address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Webhook {
    /// How the sender proves who it is.
    pub auth: WebhookAuth,
    /// The secret of the owner that holds the keys of the sender.
    pub secret: SecretName,
}

text_enum! {
    /// How the sender of a webhook proves who it is.
    #[derive(Default)]
    pub enum WebhookAuth: "a way to sign webhooks" {
        /// By the signature of the Standard Webhooks specification.
        #[default]
        StandardWebhooks = "standard_webhooks",
    }
}

/// Starts the workflow with an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventTrigger {
    /// The name of the event.
    pub name: String,
    /// Which events count: CEL over `event`.
    pub filter: Option<String>,
}

impl Triggers {
    pub(super) fn read(reader: Reader<'_>) -> Self {
        let triggers = Self {
            schedule: reader.get("schedule").and_then(|field| field.object()).and_then(Schedule::read),
            webhook: reader.get("webhook").and_then(|field| field.object()).and_then(Webhook::read),
            event: reader.get("event").and_then(|field| field.object()).and_then(EventTrigger::read),
        };
        reader.close();
        triggers
    }

    pub(super) fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put_some("schedule", self.schedule.as_ref().map(Schedule::write).as_ref());
        writer.put_some("webhook", self.webhook.as_ref().map(Webhook::write).as_ref());
        writer.put_some("event", self.event.as_ref().map(EventTrigger::write).as_ref());
        writer.object()
    }
}

impl Schedule {
    pub(crate) const CATCHUP_WINDOW_S_DEFAULT: u32 = 3_600;
    const JITTER_S_MAX: u32 = 3_600;

    /// Reads a schedule by itself, as [`Self::write`] writes it.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, Problems> {
        let sink = Sink::default();
        let schedule = Field::root(value, &sink).object().and_then(Self::read);
        let problems = sink.into_problems();
        schedule.filter(|_| problems.is_empty()).ok_or(problems)
    }

    fn read(reader: Reader<'_>) -> Option<Self> {
        let window_max = u32::try_from(CATCH_UP_AGE_MAX.num_seconds()).unwrap_or(u32::MAX);
        let cron = reader.require("cron").and_then(|field| field.parse());
        let timezone = reader.get("timezone").and_then(|field| field.parse()).unwrap_or_default();
        let overlap = reader.get("overlap").and_then(|field| field.parse()).unwrap_or_default();
        let window = reader.get("catchup_window_s").and_then(|field| field.number(0..=window_max));
        let catchup = reader.get("catchup").and_then(|field| field.parse()).unwrap_or_default();
        let dst_gap = reader.get("dst_gap").and_then(|field| field.parse()).unwrap_or_default();
        let dst_fold = reader.get("dst_fold").and_then(|field| field.parse()).unwrap_or_default();
        let jitter = reader.get("jitter_s").and_then(|field| field.number(0..=Self::JITTER_S_MAX));
        reader.close();
        Some(Self {
            cron: cron?,
            timezone,
            overlap,
            catchup_window_s: window.unwrap_or(Self::CATCHUP_WINDOW_S_DEFAULT),
            catchup,
            dst_gap,
            dst_fold,
            jitter_s: jitter.unwrap_or_default(),
        })
    }

    /// Writes it as it stands in a document: what is as it is by default is left out.
    #[must_use]
    pub fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("cron", &self.cron);
        writer.put_unless("timezone", &self.timezone, &TimeZone::default());
        writer.put_unless("overlap", &self.overlap, &Overlap::default());
        writer.put_unless("catchup_window_s", &self.catchup_window_s, &Self::CATCHUP_WINDOW_S_DEFAULT);
        writer.put_unless("catchup", &self.catchup, &CatchUp::default());
        writer.put_unless("dst_gap", &self.dst_gap, &DstGap::default());
        writer.put_unless("dst_fold", &self.dst_fold, &DstFold::default());
        writer.put_unless("jitter_s", &self.jitter_s, &0);
        writer.object()
    }
}

impl Webhook {
    /// The secret that holds the keys, unless the document names another.
    pub const SECRET_DEFAULT: &str = "WEBHOOK_SECRET";

    fn read(reader: Reader<'_>) -> Option<Self> {
        let auth = reader.get("auth").and_then(|field| field.parse()).unwrap_or_default();
        let secret = match reader.get("secret") {
            Some(field) => field.parse(),
            None => SecretName::parse(Self::SECRET_DEFAULT).ok(),
        };
        reader.close();
        Some(Self { auth, secret: secret? })
    }

    fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("auth", &self.auth);
        if self.secret.as_str() != Self::SECRET_DEFAULT {
            writer.put("secret", &self.secret);
        }
        writer.object()
    }
}

impl EventTrigger {
    /// Whether it starts the workflow with an event of its name and this payload.
    ///
    /// # Errors
    ///
    /// If the filter cannot be evaluated for it: that is no start.
    pub fn takes(&self, payload: &Value) -> Result<bool, ExpressionError> {
        let Some(filter) = &self.filter else { return Ok(true) };
        Expression::parse(filter.as_str())?.evaluate_bool(&EventScope(payload))
    }

    fn read(reader: Reader<'_>) -> Option<Self> {
        let name = reader.require("name").and_then(|field| field.parse::<crate::value::Name>());
        let filter = reader.get("filter").and_then(|field| field.cel());
        reader.close();
        Some(Self { name: name?.into(), filter })
    }

    fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &self.name);
        writer.put_some("filter", self.filter.as_ref());
        writer.object()
    }
}

/// What the filter of a trigger sees: the event.
struct EventScope<'a>(&'a Value);

impl Scope for EventScope<'_> {
    fn root(&self, root: Root) -> Option<Cow<'_, Value>> {
        (root == Root::Event).then_some(Cow::Borrowed(self.0))
    }

    fn step(&self, _key: &str) -> Option<StepView<'_>> {
        None
    }
}
