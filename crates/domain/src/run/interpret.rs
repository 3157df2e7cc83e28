//! From what the outside says to what is true of the run: a pure look, journalled before it is applied.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    Run,
    command::{AwaitStep, AwaitedEvent, Command},
    event::{Event, FrameId, Report, StepAddress, TransitionError},
    frame::StepState,
    scope::FrameScope,
    transition::{Ending, Transition, expression_error},
};
use crate::{
    limits,
    plan::{Action, OnTimeout, WaitAction, WaitUntil},
    step_run::{StepError, StepOutcome, StepRecord},
    value::json_text,
};

impl Run {
    /// Makes a fact of a report; `None` if the report changes nothing (an event that a filter refuses, one
    /// approval of two).
    ///
    /// # Errors
    ///
    /// A [`TransitionError`] if the report is late, early, or not for this run.
    pub fn interpret(&self, report: Report, now: DateTime<Utc>) -> Result<Option<Event>, TransitionError> {
        if self.outcome.is_some() {
            return Err(TransitionError::Ended);
        }
        match report {
            Report::Answered { step, attempt, answer } => {
                self.expect_active(step, attempt)?;
                Ok(Some(match self.kept(step, answer) {
                    Ok(output) => Event::StepSucceeded { step, attempt, output: Arc::new(output) },
                    Err(error) => Event::StepFailed { step, attempt, error },
                }))
            }
            Report::Failed { step, attempt, error } => {
                self.expect_active(step, attempt)?;
                let message = clean_message(&error.message);
                Ok(Some(Event::StepFailed { step, attempt, error: StepError { message, ..error } }))
            }
            Report::TimerFired { step } => self.timer_fired(step, now).map(Some),
            Report::Signalled { step, payloads } => self.signalled(step, &payloads),
        }
    }

    /// What is kept of an agent's answer.
    fn kept(&self, step: StepAddress, answer: Value) -> Result<Value, StepError> {
        let (answer, _) = json_text::clean(answer);
        let output = match &self.plan.step(step.step).outputs {
            None => answer,
            Some(mapping) => mapping
                .evaluate(&FrameScope::new(self, step.frame).with_answer(&answer))
                .map_err(|error| expression_error("outputs", &error))?,
        };
        limits::STEP_OUTPUT.check(&output).map_err(|excess| {
            let message = format!("the output is too large to be stored: {excess}; keep less of it with `outputs`");
            StepError::permanent("output_too_large", message)
        })?;
        Ok(output)
    }

    fn timer_fired(&self, step: StepAddress, now: DateTime<Utc>) -> Result<Event, TransitionError> {
        let (action, until) = self.waiting(step)?;
        let until = until.ok_or(TransitionError::Unknown)?;
        if now < until {
            return Err(TransitionError::Early);
        }
        let succeeded = |output| Event::StepSucceeded { step, attempt: 1, output: Arc::new(output) };
        Ok(match (&action.until, action.on_timeout) {
            (WaitUntil::Duration(_) | WaitUntil::Moment(_), _) => {
                succeeded(json!({ "fired_at": until.to_rfc3339_opts(SecondsFormat::Micros, true) }))
            }
            (_, OnTimeout::Continue) => succeeded(action.default.clone()),
            (_, OnTimeout::Fail) => {
                let limit = action.timeout_ms.unwrap_or_default();
                let error = StepError::permanent("wait_timeout", format!("nothing arrived within {limit} ms"));
                Event::StepFailed { step, attempt: 1, error }
            }
        })
    }

    fn signalled(&self, step: StepAddress, payloads: &[Value]) -> Result<Option<Event>, TransitionError> {
        let (action, _) = self.waiting(step)?;
        let succeeded = |output: Value| Event::StepSucceeded { step, attempt: 1, output: Arc::new(output) };
        match &action.until {
            WaitUntil::Event { filter, .. } => {
                for payload in payloads {
                    let scope = FrameScope::new(self, step.frame).with_event(payload);
                    match filter.as_ref().map_or(Ok(true), |filter| filter.evaluate_bool(&scope)) {
                        Ok(true) => return Ok(Some(succeeded(json_text::clean(payload.clone()).0))),
                        Ok(false) => {}
                        Err(error) => {
                            let error = expression_error("config.event.filter", &error);
                            return Ok(Some(Event::StepFailed { step, attempt: 1, error }));
                        }
                    }
                }
                Ok(None)
            }
            WaitUntil::Approval(rules) => Ok(decision(rules, payloads).map(succeeded)),
            WaitUntil::Duration(_) | WaitUntil::Moment(_) => Err(TransitionError::Unknown),
        }
    }

    fn waiting(&self, step: StepAddress) -> Result<(&WaitAction, Option<DateTime<Utc>>), TransitionError> {
        let Action::Wait(action) = &self.plan.steps().get(step.step.0 as usize).ok_or(TransitionError::Unknown)?.action
        else {
            return Err(TransitionError::Unknown);
        };
        match self.slot(step).map(|slot| &slot.state) {
            Some(StepState::Waiting { until, .. }) => Ok((action, *until)),
            _ => Err(TransitionError::Stale),
        }
    }

    /// Refuses what is not about the attempt that is active.
    pub(super) fn expect_active(&self, step: StepAddress, attempt: u16) -> Result<(), TransitionError> {
        if step.step.0 >= u32::try_from(self.plan.steps().len()).unwrap_or(u32::MAX) {
            return Err(TransitionError::Unknown);
        }
        match self.slot(step).map(|slot| &slot.state) {
            Some(StepState::Running { attempt: current, .. }) if *current == attempt => Ok(()),
            Some(StepState::Waiting { .. }) if attempt == 1 => Ok(()),
            _ => Err(TransitionError::Stale),
        }
    }

    pub(super) fn record_of(&self, event: &Event, now: DateTime<Utc>) -> Option<StepRecord> {
        let (step, attempt, outcome) = match event {
            Event::StepSucceeded { step, attempt, output } => {
                (*step, *attempt, StepOutcome::Completed(Value::clone(output)))
            }
            Event::StepFailed { step, attempt, error } => (*step, *attempt, StepOutcome::Failed(error.clone())),
            Event::CancelRequested | Event::DeadlinePassed | Event::Aborted { .. } => return None,
        };
        let mut record = self.blank_record(step, outcome, now);
        record.attempt = attempt;
        record.ended_at = Some(now);
        record.agent_id = self.agent_of(step);
        Some(record)
    }

    pub(super) fn running_record_of(&self, step: StepAddress) -> Option<StepRecord> {
        let StepState::Running { attempt, due } = self.slot(step)?.state else { return None };
        let mut record = self.blank_record(step, StepOutcome::Running, due);
        record.attempt = attempt;
        record.agent_id = self.agent_of(step);
        Some(record)
    }

    /// The record of an end that follows from facts; takes its place in their order.
    pub(super) fn derived_record(&mut self, step: StepAddress, outcome: StepOutcome, now: DateTime<Utc>) -> StepRecord {
        let mut record = self.blank_record(step, outcome, now);
        record.ended_at = Some(now);
        self.next_seq += 1;
        record
    }

    fn blank_record(&self, step: StepAddress, outcome: StepOutcome, now: DateTime<Utc>) -> StepRecord {
        let slot = self.slot(step);
        let (attempt, due) = match slot.map(|slot| &slot.state) {
            Some(StepState::Running { attempt, due }) => (*attempt, Some(*due)),
            _ => (1, None),
        };
        let began = slot.and_then(|slot| slot.started_at).unwrap_or(now);
        StepRecord {
            execution_id: self.context.execution_id,
            path: self.path(step),
            attempt,
            seq: self.next_seq,
            outcome,
            started_at: due.unwrap_or(began).max(began).min(now),
            ended_at: None,
            workflow_step_id: self.plan.step(step.step).workflow_step_id,
            agent_id: None,
        }
    }

    fn agent_of(&self, step: StepAddress) -> Option<crate::id::AgentId> {
        match &self.plan.step(step.step).action {
            Action::Agent(agent) => Some(agent.agent_id),
            _ => None,
        }
    }

    /// The commands that asked for what is outstanding in a frame.
    pub(super) fn outstanding_in(&self, frame: FrameId) -> Vec<Command> {
        let Some(body) = self.frame(frame).map(|frame| frame.body) else { return Vec::new() };
        let steps = self.plan.body(body).steps.iter().map(|&step| StepAddress { frame, step });
        steps
            .filter_map(|step| match &self.slot(step)?.state {
                StepState::Running { attempt, due } => {
                    self.start_command(step, *attempt, *due).ok().map(Command::Start)
                }
                StepState::Waiting { since, until } => Some(Command::Wait(self.await_step(step, *since, *until))),
                _ => None,
            })
            .collect()
    }

    fn await_step(&self, step: StepAddress, since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> AwaitStep {
        let event = match &self.plan.step(step.step).action {
            Action::Wait(WaitAction { until: WaitUntil::Event { name, lookback_ms, .. }, .. }) => {
                let since = since.checked_sub_signed(milliseconds(*lookback_ms)).unwrap_or(DateTime::<Utc>::MIN_UTC);
                Some(AwaitedEvent { name: name.clone(), since })
            }
            Action::Wait(WaitAction { until: WaitUntil::Approval(_), .. }) => {
                Some(AwaitedEvent { name: AwaitedEvent::APPROVAL.to_owned(), since })
            }
            _ => None,
        };
        AwaitStep { step, path: self.path(step), until, event }
    }
}

impl Transition<'_> {
    pub(super) fn begin_wait(&mut self, step: StepAddress, action: &WaitAction) {
        let until = match &action.until {
            WaitUntil::Duration(duration_ms) => self.now.checked_add_signed(milliseconds(*duration_ms)),
            WaitUntil::Event { .. } | WaitUntil::Approval(_) => {
                action.timeout_ms.and_then(|timeout_ms| self.now.checked_add_signed(milliseconds(timeout_ms)))
            }
            WaitUntil::Moment(mapping) => {
                let scope = FrameScope::new(self.run, step.frame);
                let value = mapping.evaluate(&scope).map_err(|error| expression_error("config.until", &error));
                match value.and_then(|value| moment(&value)) {
                    Ok(moment) if moment - self.now > milliseconds(limits::WAIT_MS_MAX) => {
                        let error =
                            StepError::permanent("wait_too_long", format!("{moment} is more than 366 days away"));
                        return self.end(step, Ending::Failed(error), false);
                    }
                    Ok(moment) => Some(moment),
                    Err(error) => return self.end(step, Ending::Failed(error), false),
                }
            }
        };
        let since = self.now;
        if let Some(slot) = self.run.slot_mut(step) {
            slot.state = StepState::Waiting { since, until };
        }
        let command = self.run.await_step(step, since, until);
        self.commands.push(Command::Wait(command));
    }
}

/// An error's message without NUL bytes (no text column takes them) and no longer than a line of a log.
fn clean_message(message: &str) -> String {
    let mut message = message.replace('\0', "\u{fffd}");
    if message.len() > limits::LOG_LINE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(limits::LOG_LINE_BYTES_MAX - 4));
        message.push('…');
    }
    message
}

fn milliseconds(count: u64) -> TimeDelta {
    TimeDelta::try_milliseconds(i64::try_from(count).unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX)
}

/// Reads a moment: RFC 3339 text, or milliseconds since 1970. Cut to microseconds, which is what is stored.
fn moment(value: &Value) -> Result<DateTime<Utc>, StepError> {
    let parsed = match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc()),
        Value::Number(number) => number.as_i64().and_then(DateTime::from_timestamp_millis),
        _ => None,
    };
    let micros = parsed.and_then(|moment| DateTime::from_timestamp_micros(moment.timestamp_micros()));
    micros.ok_or_else(|| {
        let message =
            format!("config.until gave {value}, not a time: write 2026-01-31T09:00:00Z, or milliseconds since 1970");
        StepError::permanent("not_a_time", message)
    })
}

/// What people have decided: a refusal decides at once, approvals when there are enough different approvers.
fn decision(rules: &Value, payloads: &[Value]) -> Option<Value> {
    let needed = rules.get("min_approvals").and_then(Value::as_u64).unwrap_or(1).max(1);
    let mut approvers = BTreeSet::new();
    for payload in payloads {
        match payload.get("approved").and_then(Value::as_bool) {
            Some(false) => return Some(json_text::clean(payload.clone()).0),
            Some(true) => {
                approvers.insert(payload.get("by").map(Value::to_string));
                if approvers.len() as u64 >= needed {
                    return Some(json_text::clean(payload.clone()).0);
                }
            }
            None => {}
        }
    }
    None
}
