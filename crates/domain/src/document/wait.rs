//! Steps that wait: for a time, an event or people.

use serde_json::Value;

use super::{
    action::DEFAULT,
    reader::{Field, Reader},
    writer::Writer,
};
use crate::{limits::WAIT_MS_MAX, plan::OnTimeout, value::Name};

/// Waits.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitStep {
    /// For what.
    pub until: WaitUntil,
    /// The longest wait, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What a wait that took too long does.
    pub on_timeout: OnTimeout,
    /// The output of a wait that took too long and goes on.
    pub default: Value,
}

/// What a wait waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitUntil {
    /// So many milliseconds.
    Duration(u64),
    /// A moment (mapping).
    Moment(Value),
    /// An event.
    Event {
        /// Its name.
        name: String,
        /// Which events count (CEL over `event`).
        filter: Option<String>,
        /// How long before the wait an event may have arrived and still count, in milliseconds.
        lookback_ms: u64,
    },
    /// A decision by people.
    Approval(Value),
}

const ON_TIMEOUT: [(&str, OnTimeout); 2] = [("fail", OnTimeout::Fail), ("continue", OnTimeout::Continue)];
/// The most approvals that a wait may ask for.
const APPROVALS_MAX: u32 = 100;

impl WaitStep {
    /// Waits for nothing.
    pub(super) const NOTHING: Self =
        Self { until: WaitUntil::Duration(0), timeout_ms: None, on_timeout: OnTimeout::Fail, default: Value::Null };

    pub(super) fn read(config: &Reader<'_>) -> Option<Self> {
        let lookback_ms = config.get("lookback_ms").and_then(|field| field.number(0..=WAIT_MS_MAX));
        let until = config.one_of(&["duration_ms", "until", "event", "approval"]).and_then(|(kind, field)| {
            if kind != "event" {
                config.refuse_key("lookback_ms", "conflicting_keys", "`lookback_ms` goes with `event`");
            }
            match kind {
                "duration_ms" => field.number(0..=WAIT_MS_MAX).map(WaitUntil::Duration),
                "until" => Some(WaitUntil::Moment(field.value.clone())),
                "event" => read_event(field.object()?, lookback_ms.unwrap_or_default()),
                _ => Some(WaitUntil::Approval(read_approval(&field)?)),
            }
        });
        let timeout_ms = config.get("timeout_ms").and_then(|field| field.number(1..=WAIT_MS_MAX));
        let on_timeout = config.get("on_timeout").and_then(|field| field.word(&ON_TIMEOUT)).unwrap_or_default();
        let default = config.get(DEFAULT).map(|field| field.value.clone()).unwrap_or_default();
        let until = until?;
        if matches!(until, WaitUntil::Duration(_) | WaitUntil::Moment(_)) {
            for key in ["timeout_ms", "on_timeout", DEFAULT] {
                let message =
                    format!("`{key}` goes with `event` and `approval`: a wait for a time cannot take too long");
                config.refuse_key(key, "conflicting_keys", message);
            }
        }
        Some(Self { until, timeout_ms, on_timeout, default })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match &self.until {
            WaitUntil::Duration(duration_ms) => writer.put("duration_ms", duration_ms),
            WaitUntil::Moment(moment) => writer.put("until", moment),
            WaitUntil::Event { name, filter, lookback_ms } => {
                let mut event = Writer::default();
                event.put("name", name);
                event.put_some("filter", filter.as_ref());
                writer.put("event", &event.object());
                writer.put_unless("lookback_ms", lookback_ms, &0);
            }
            WaitUntil::Approval(rules) => writer.put("approval", rules),
        }
        writer.put_some("timeout_ms", self.timeout_ms.as_ref());
        writer.put_unless("on_timeout", &self.on_timeout, &OnTimeout::default());
        writer.put_unless(DEFAULT, &self.default, &Value::Null);
    }
}

fn read_event(event: Reader<'_>, lookback_ms: u64) -> Option<WaitUntil> {
    let name = event.require("name").and_then(|field| field.parse::<Name>());
    let filter = event.get("filter").and_then(|field| field.cel());
    event.close();
    Some(WaitUntil::Event { name: name?.into(), filter, lookback_ms })
}

/// Reads the rules of an approval into their canonical form.
fn read_approval(field: &Field<'_>) -> Option<Value> {
    let reader = field.object()?;
    let names = |key| reader.get(key).map(|field| field.items()).unwrap_or_default();
    let approvers: Vec<Name> = names("approvers").iter().filter_map(Field::parse).collect();
    let buttons: Vec<Name> = names("buttons").iter().filter_map(Field::parse).collect();
    let min_approvals = reader.get("min_approvals").and_then(|field| field.number(1..=APPROVALS_MAX)).unwrap_or(1);
    if !approvers.is_empty() && approvers.len() < min_approvals as usize {
        let count = approvers.len();
        field.refuse("invalid_value", format!("{min_approvals} approvals cannot come from {count} approvers"));
    }
    let form = reader.get("form").filter(|form| form.object().is_some()).map(|form| form.value);
    let allow_self = reader.get("allow_self").and_then(|field| field.flag()).unwrap_or_default();
    reader.close();
    let mut writer = Writer::default();
    writer.put_filled("approvers", &approvers);
    writer.put_unless("min_approvals", &min_approvals, &1);
    writer.put_some("form", form);
    writer.put_unless("allow_self", &allow_self, &false);
    writer.put_filled("buttons", &buttons);
    Some(writer.object())
}
